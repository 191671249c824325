//go:build store

package discovery

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// serviceAt is the machine that the service runs on.
const serviceAt = 9

// service runs an etcd and discovery on it there, and returns its URL.
func (w *world) service() (*process, string) {
	w.t.Helper()
	w.start("service's etcd", "etcd", w.machine(serviceAt)...)
	where := w.address(serviceAt) + ":8087"
	p := w.start("service", "discovery", "--host", "http://"+where, "--addr", where, "--etcd", w.client(serviceAt))
	w.until("the service is well", func() error {
		_, err := get("http://" + where + "/health")
		return err
	})
	return p, "http://" + where
}

// token asks for one.
func (w *world) token(service string, size int) string {
	w.t.Helper()
	url, err := get(fmt.Sprintf("%s/new?size=%d", service, size))
	if err != nil {
		w.t.Fatal(err)
	}
	return url
}

func get(url string) (string, error) { return answer(http.Get(url)) }

func set(url, value string) (string, error) {
	request, err := http.NewRequest(http.MethodPut, url, strings.NewReader(value))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answer(http.DefaultClient.Do(request))
}

func answer(response *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// members waits until the etcd of that machine has a leader and says that these
// machines are its cluster's members, all of them started.
func (w *world) members(at int, want ...int) {
	w.t.Helper()
	var urls []string
	for _, n := range want {
		urls = append(urls, w.client(n))
	}
	slices.Sort(urls)
	client := w.connect(at)
	w.until(fmt.Sprintf("machine %d is one of %d members", at, len(want)), func() error {
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		defer cancel()
		list, err := client.MemberList(ctx)
		if err != nil {
			return err
		}
		var got []string
		for _, member := range list.Members {
			got = append(got, member.ClientURLs...)
		}
		slices.Sort(got)
		if !slices.Equal(got, urls) {
			return fmt.Errorf("the members are %v, want %v", got, urls)
		}
		return nil
	})
}

func (w *world) connect(at int) *clientv3.Client {
	w.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{w.client(at)}, Logger: zap.NewNop()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

// writes tries both APIs at a machine and reads what it wrote at another.
func (w *world) writes(at, from int) {
	w.t.Helper()
	value := fmt.Sprintf("by-%d", at)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if _, err := w.connect(at).Put(ctx, "v3", value); err != nil {
		w.t.Errorf("v3 at machine %d: %v", at, err)
	}
	read, err := w.connect(from).Get(ctx, "v3")
	if err != nil || len(read.Kvs) != 1 || string(read.Kvs[0].Value) != value {
		w.t.Errorf("v3 at machine %d: %v, %v", from, read, err)
	}
	w.writesV2(at, from)
}

func (w *world) writesV2(at, from int) {
	w.t.Helper()
	value := fmt.Sprintf("by-%d", at)
	w.until(fmt.Sprintf("machine %d takes a v2 key", at), func() error {
		_, err := set(w.client(at)+"/v2/keys/message", url.Values{"value": {value}}.Encode())
		return err
	})
	body, err := get(w.client(from) + "/v2/keys/message?quorum=true")
	if err != nil || !strings.Contains(body, `"value":"`+value+`"`) {
		w.t.Errorf("v2 at machine %d: %s, %v", from, body, err)
	}
}
