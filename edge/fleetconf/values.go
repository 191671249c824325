package fleetconf

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"argosy/core/cluster"
)

// What durations may be.
const (
	// minTTL is what the store's shortest lease leaves sensible: it may end up to
	// an election timeout late.
	minTTL, maxTTL = 2 * time.Second, time.Hour
	// minTimeout is above the round trip to any store that is of use.
	minTimeout, maxTimeout = 100 * time.Millisecond, time.Minute
)

func number(v string, least, most int) (int, error) {
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < least:
		return 0, fmt.Errorf("%q: expected a whole number, %d or more", v, least)
	case n > most:
		return 0, fmt.Errorf("%d: expected at most %d", n, most)
	}
	return n, nil
}

func yes(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q: expected true or false", v)
	}
	return b, nil
}

// noUserManager refuses what would run units as another user than was meant.
func noUserManager(v string) error {
	user, err := yes(v)
	if err == nil && user {
		return errors.New("true: units run under the system's manager only; remove the line and set User= in the units")
	}
	return err
}

// duration reads one; a bare number is seconds, as in fleet's own samples.
func duration(v string, least, most time.Duration) (time.Duration, error) {
	text := v
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q: expected a duration such as 10s", v)
	case d < least || d > most:
		return 0, fmt.Errorf("%s: expected between %s and %s", d, least, most)
	}
	return d, nil
}

func urls(v string) ([]string, error) {
	var list []string
	for u := range strings.SplitSeq(v, ",") {
		u = strings.Trim(u, `[]" `)
		scheme, host, ok := strings.Cut(u, "://")
		if !ok || (scheme != "http" && scheme != "https" && scheme != "unix") || host == "" {
			return nil, fmt.Errorf("%q: expected URLs such as https://10.0.0.1:2379 with commas between", u)
		}
		list = append(list, u)
	}
	return list, nil
}

func address(v string) (string, error) {
	if v != "" && net.ParseIP(v) == nil {
		return "", fmt.Errorf("%q: expected an IP address", v)
	}
	return v, nil
}

func hostPort(v string) (string, error) {
	_, port, err := net.SplitHostPort(v)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		return "", fmt.Errorf("%q: expected HOST:PORT or :PORT", v)
	}
	return v, nil
}

func absolute(v string) (string, error) {
	if !strings.HasPrefix(v, "/") || strings.Trim(v, "/") == "" {
		return "", fmt.Errorf("%q: expected an absolute path", v)
	}
	return strings.TrimRight(v, "/"), nil
}

func metadata(v string) (map[string]string, error) {
	found := map[string]string{}
	for pair := range strings.SplitSeq(v, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%q: expected key=value pairs with commas between, such as region=eu,disk=ssd", pair)
		}
		found[key] = value
	}
	return found, nil
}

func capacity(v string) (cluster.Capacity, error) {
	var c cluster.Capacity
	for _, pair := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		kind, amount, ok := strings.Cut(pair, "=")
		var err error
		switch {
		case !ok || !isKind(kind):
			return c, fmt.Errorf("%q: expected kind=amount with commas between, such as gpu=2,memory=8G", pair)
		case kind == "cpu":
			c.CPUs, err = number(amount, 1, 1<<16)
		case kind == "memory":
			c.MemoryBytes, err = bytes(amount)
		default:
			var n int
			n, err = number(amount, 0, math.MaxInt32)
			if c.Other == nil {
				c.Other = map[string]int64{}
			}
			c.Other[kind] = int64(n)
		}
		if err != nil {
			return c, fmt.Errorf("%s=%w", kind, err)
		}
	}
	return c, nil
}

// isKind says whether a name may be of a kind of capacity, as units Reserve= it.
func isKind(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == ""
}

// bytes reads an amount of memory as systemd writes it: a number, or one with a
// suffix of base 1024.
func bytes(v string) (int64, error) {
	digits := strings.TrimRight(v, "KMGT")
	shift := 0
	if suffix := v[len(digits):]; suffix != "" {
		shift = 10 * (strings.Index("KMGT", suffix) + 1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || len(v)-len(digits) > 1 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q: expected a number of bytes, or one with K, M, G or T behind it", v)
	}
	return n << shift, nil
}
