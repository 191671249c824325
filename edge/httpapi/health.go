package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"argosy/core/access"
	"argosy/core/api"
)

// healthz says that the process answers.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request, _ access.Caller) error {
	_, err := w.Write([]byte("ok\n"))
	return err
}

// readyz says whether this machine does its work, with verbose in detail.
func (a *API) readyz(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "verbose")
	if err != nil {
		return err
	}
	var report strings.Builder
	code := http.StatusOK
	for _, check := range append([]Check{{"view", a.viewIsCurrent}}, a.config.Checks...) {
		if err := check.Run(r.Context()); err != nil {
			code = http.StatusServiceUnavailable
			fmt.Fprintf(&report, "[-] %s: %v\n", check.Name, err)
		} else {
			fmt.Fprintf(&report, "[+] %s ok\n", check.Name)
		}
	}
	if code == http.StatusOK && !q.values.Has("verbose") {
		report.Reset()
		report.WriteString("ok\n")
	}
	for _, remark := range a.config.Remarks {
		fmt.Fprintf(&report, "[!] %s\n", remark)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, err = w.Write([]byte(report.String()))
	return err
}

func (a *API) viewIsCurrent(context.Context) error {
	if a.config.Registry == nil {
		return nil
	}
	fresh, err := a.config.Registry.Freshness()
	if err == nil && fresh.Age() > api.Stale {
		err = fmt.Errorf("as of %s ago: the store cannot be reached", fresh.Age().Round(time.Second))
	}
	return err
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	promhttp.HandlerFor(a.config.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// measures are what /metrics tells of the API.
type measures struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMeasures(to *prometheus.Registry, a *API) measures {
	m := measures{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "argosy_api_requests_total", Help: "Requests answered, by path, method and HTTP status.",
		}, []string{"path", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "argosy_api_request_seconds", Help: "Time to answer; streams count with their whole life.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"path"}),
	}
	to.MustRegister(m.requests, m.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "argosy_api_streams", Help: "Watches and journals under way.",
		}, func() float64 { return float64(len(a.streams)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "argosy_api_view_age_seconds", Help: "Age of what reads are answered from; -1 where there is nothing.",
		}, a.viewAge))
	return m
}

func (a *API) viewAge() float64 {
	if a.config.Registry == nil {
		return -1
	}
	fresh, err := a.config.Registry.Freshness()
	if err != nil {
		return -1
	}
	return fresh.AgeSeconds
}

// count begins a request; what it returns ends it.
func (m measures) count(path, method string, sent *sender) func() {
	began := time.Now()
	return func() {
		m.requests.WithLabelValues(path, known(method), fmt.Sprint(sent.code)).Inc()
		m.seconds.WithLabelValues(path).Observe(time.Since(began).Seconds())
	}
}

// known keeps the methods that a stranger may invent out of the metrics.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodPatch:
		return method
	}
	return "other"
}
