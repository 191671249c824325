package fleetctl

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"argosy/cli"
	"argosy/core/api"
	"argosy/edge/authority"
	"argosy/edge/client"
)

// session is one run of fleetctl: its global flags, and what is made of them.
type session struct {
	endpoint       string
	context        string
	driver         string
	requestTimeout float64
	caFile         string
	certFile       string
	keyFile        string
	debug          bool
	secure         secureShell

	*client.Client
	tunnel   *tunnel // nil where there is none
	out, err io.Writer
	told     bool // of stale answers: once is enough
}

func (s *session) flags(flags *pflag.FlagSet) {
	s.reach(flags)
	flags.StringVar(&s.driver, "driver", "API", "how the cluster is reached: only API")
	s.secure.flags(flags)
	s.legacy(flags)
}

// reach are the flags that say how the cluster is reached.
func (s *session) reach(flags *pflag.FlagSet) {
	s.driver = "API"
	flags.StringVar(&s.endpoint, "endpoint", client.DefaultEndpoint, "where the API is: unix:///PATH or https://HOST:PORT, several with commas")
	flags.StringVar(&s.context, "context", "", "the cluster to reach, one that you have logged in to; see 'fleetctl context'")
	flags.Float64Var(&s.requestTimeout, "request-timeout", 30, "seconds to wait for the answer to one request")
	flags.StringVar(&s.caFile, "ca-file", "", "certificate authority of an https endpoint")
	flags.StringVar(&s.certFile, "cert-file", "", "certificate to show to an https endpoint")
	flags.StringVar(&s.keyFile, "key-file", "", "key of that certificate")
	flags.BoolVar(&s.debug, "debug", false, "tell of each request on stderr")
}

// environment is the variable that stands for a global flag.
func environment(flag string) string {
	return "FLEETCTL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// open reads the environment where the command line is silent, and makes the client.
func (s *session) open(cmd *cobra.Command) error {
	s.out, s.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
	s.secure.in, s.secure.err = cmd.InOrStdin(), cmd.ErrOrStderr()
	var fault error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(environment(f.Name))
		switch {
		case f.Changed:
			s.remark(f.Name)
			return
		case value == "" || cmd.LocalNonPersistentFlags().Lookup(f.Name) != nil || f.Name == "h" || f.Name == "help":
			return
		}
		s.remark(f.Name)
		if now := cmd.Flag(renamed[f.Name]); now != nil && (now.Changed || os.Getenv(environment(now.Name)) != "") {
			return // the option of today wins
		}
		if err := f.Value.Set(value); err != nil && fault == nil {
			fault = fmt.Errorf("%s=%q: %w", environment(f.Name), value, err)
		}
	})
	if fault == nil && !strings.EqualFold(s.driver, "API") {
		fault = fmt.Errorf("--driver is %q: only API is there; it reaches etcd for you", s.driver)
	}
	if fault == nil {
		fault = s.connect(cmd)
	}
	if fault != nil {
		return cli.Coded(cli.ExitUsage, fault)
	}
	return nil
}

func (s *session) connect(cmd *cobra.Command) (err error) {
	config := client.Config{
		Endpoints: strings.Split(s.endpoint, ","),
		Timeout:   time.Duration(s.requestTimeout * float64(time.Second)),
	}
	context, with, err := s.chosen(cmd)
	if err == nil && with {
		s.renew(cmd.Context(), context, time.Now())
		endpoint := s.endpoint
		if endpoint == client.DefaultEndpoint && !s.given(cmd, "endpoint") {
			endpoint = ""
		}
		err = through(&config, context, endpoint)
	}
	if err != nil {
		return err
	}
	if len(config.Endpoints) > 1 {
		config.PassedOver = s.passedOver()
	}
	if s.debug {
		config.Trace = func(line string) { fmt.Fprintln(s.err, "debug:", line) }
	}
	if !with {
		if config.TLS, err = s.tls(); err != nil {
			return err
		}
	}
	if s.secure.tunnel != "" {
		if _, _, err := hostPort(s.secure.tunnel); err != nil {
			return fmt.Errorf("--tunnel: %w", err)
		}
		s.tunnel = &tunnel{shell: s.secure, err: s.err}
		config.Dial = s.tunnel.dial
	}
	s.Client, err = client.New(config)
	return err
}

// given says that a global flag was, on the command line or in the environment.
func (s *session) given(cmd *cobra.Command, flag string) bool {
	return cmd.Flag(flag).Changed || os.Getenv(environment(flag)) != ""
}

// passedOver tells of each endpoint that does not answer once, however many
// requests find that out.
func (s *session) passedOver() func(*client.UnreachableError, string) {
	var one sync.Mutex
	told := map[string]bool{}
	return func(err *client.UnreachableError, next string) {
		one.Lock()
		defer one.Unlock()
		if !told[err.Endpoint] {
			told[err.Endpoint] = true
			s.warn("%v; asking %s", err, next)
		}
	}
}

func (s *session) tls() (*tls.Config, error) {
	given := 0
	for _, file := range []string{s.caFile, s.certFile, s.keyFile} {
		if file != "" {
			given++
		}
	}
	switch given {
	case 0:
		return nil, nil
	case 3:
		return authority.LoadClient(s.caFile, s.certFile, s.keyFile)
	default:
		return nil, fmt.Errorf("--ca-file, --cert-file and --key-file: give all three or none")
	}
}

func (s *session) close() {
	if s.Client != nil {
		s.Close()
	}
	if s.tunnel != nil {
		s.tunnel.close()
	}
}

// note says once that answers are old.
func (s *session) note(fresh api.Freshness) {
	if age := fresh.Age(); age > api.Stale && !s.told {
		s.told = true
		fmt.Fprintf(s.err, "(as of %s ago: the store cannot be reached)\n", age.Round(time.Second))
	}
}

// warn says what is worth a look and no error.
func (s *session) warn(format string, args ...any) {
	fmt.Fprintf(s.err, "WARNING: "+format+"\n", args...)
}
