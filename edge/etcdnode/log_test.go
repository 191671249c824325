package etcdnode

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestJournalLines(t *testing.T) {
	var out bytes.Buffer
	logger := journalLogger(zapcore.AddSync(&out), zapcore.InfoLevel)
	logger.Debug("not asked for")
	logger.Info("started", zap.String("name", "core-01"), zap.Duration("took", time.Second))
	logger.With(zap.Int("term", 2)).Named("raft").Warn("slow disk")
	logger.Error("lost", zap.Error(context.DeadlineExceeded))
	want := "<6>started {\"name\": \"core-01\", \"took\": \"1s\"}\n" +
		"<4>slow disk {\"term\": 2}\n" +
		"<3>lost {\"error\": \"context deadline exceeded\"}\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestCalm(t *testing.T) {
	var out bytes.Buffer
	var closing atomic.Bool
	logger := calmed(journalLogger(zapcore.AddSync(&out), zapcore.InfoLevel), &closing).With(zap.Int("n", 1))
	logger.Warn("Running http and grpc server on single port. This is not recommended for production.")
	logger.Error("setting up serving from embedded etcd failed.", zap.String("error", "port in use"))
	closing.Store(true)
	logger.Error("setting up serving from embedded etcd failed.", zap.String("error", "mux: server closed"))
	logger.Error("another")
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "port in use") || !strings.Contains(got, "another") {
		t.Errorf("got\n%s", got)
	}
}
