package etcdnode

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/pkg/v3/flags"
	"go.etcd.io/etcd/server/v3/embed"
	"go.yaml.in/yaml/v3"
)

// urlKeys hold lists of URLs.
var urlKeys = []string{
	"listen-peer-urls", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls",
	"initial-advertise-peer-urls", "advertise-client-urls",
}

// readFile reads etcd's configuration file. What embed.Config has no place for
// goes to discovery.
func readFile(name string, discovery *Discovery) (*embed.Config, error) {
	doing := func(err error) error { return fmt.Errorf("read etcd's configuration file %s: %w", name, err) }
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, doing(err)
	}
	if err := checkValues(text); err != nil {
		return nil, doing(err)
	}
	if err := yaml.Unmarshal(text, discovery); err != nil {
		return nil, doing(err)
	}
	if err := discovery.setFallback(discovery.Fallback); err != nil {
		return nil, doing(fmt.Errorf("discovery-fallback: %w", err))
	}
	config, err := embed.ConfigFromFile(name)
	if err != nil {
		return nil, doing(err)
	}
	if err := setLog(config); err != nil {
		return nil, doing(err)
	}
	return config, nil
}

// checkValues finds those faults over which embed.ConfigFromFile would end the
// whole process, without naming the file.
func checkValues(text []byte) error {
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return err
	}
	var faults []error
	for _, key := range urlKeys {
		if list, ok := values[key].(string); ok && list != "" {
			if _, err := types.NewURLs(strings.Split(list, ",")); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", key, err))
			}
		}
	}
	if level, ok := values["log-level"].(string); ok {
		faults = append(faults, checkLevel(level))
	}
	if list, ok := values["cors"].(string); ok {
		if err := flags.NewUniqueURLsWithExceptions("", "", "*").Set(list); err != nil {
			faults = append(faults, fmt.Errorf("cors: %w", err))
		}
	}
	return errors.Join(faults...)
}
