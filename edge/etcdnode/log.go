package etcdnode

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-systemd/v22/journal"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// checkLevel refuses what etcd would panic over.
func checkLevel(level string) error {
	if _, err := zapcore.ParseLevel(level); err != nil {
		return fmt.Errorf("log-level: %w", err)
	}
	return nil
}

// setLog chooses how etcd logs where nobody did: in the journal each line is text
// with its priority, so that `journalctl -p warning -u etcd` works; elsewhere it is
// etcd's own JSON. Both go to stderr.
func setLog(config *embed.Config) error {
	asked := config.FlagsExplicitlySet
	if asked["log-outputs"] || asked["log-format"] || asked["logger"] {
		return nil
	}
	if isJournal, err := journal.StderrIsJournalStream(); err != nil || !isJournal {
		return nil // etcd's own JSON does not need to know why
	}
	level, err := zapcore.ParseLevel(config.LogLevel)
	if err != nil {
		return err
	}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(journalLogger(zapcore.Lock(os.Stderr), level))
	return config.ZapLoggerBuilder(config)
}

func journalLogger(out zapcore.WriteSyncer, level zapcore.Level) *zap.Logger {
	text := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		MessageKey:       "message", // the journal knows the time, and the prefix says the level
		EncodeDuration:   zapcore.StringDurationEncoder,
		EncodeTime:       zapcore.ISO8601TimeEncoder,
		ConsoleSeparator: " ",
	})
	return zap.New(zapcore.NewCore(prefixed{text, buffer.NewPool()}, out, level))
}

// prefixed begins each line with its priority as sd-daemon(3) has it.
type prefixed struct {
	zapcore.Encoder
	buffers buffer.Pool
}

func (p prefixed) Clone() zapcore.Encoder { return prefixed{p.Encoder.Clone(), p.buffers} }

func (p prefixed) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := p.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	defer line.Free()
	out := p.buffers.Get()
	out.AppendString(priority(entry.Level))
	_, err = out.Write(line.Bytes())
	return out, err
}

func priority(level zapcore.Level) string {
	switch level {
	case zapcore.DebugLevel:
		return "<7>"
	case zapcore.InfoLevel:
		return "<6>"
	case zapcore.WarnLevel:
		return "<4>"
	case zapcore.ErrorLevel:
		return "<3>"
	default: // those that end the process
		return "<2>"
	}
}

// calm leaves out what reads as a fault and is none: etcd reports each door that
// it closes itself as an error, with a stack, and warns at each start of HTTP and
// gRPC on one port.
type calm struct {
	zapcore.Core
	closing *atomic.Bool
}

func (c calm) With(fields []zapcore.Field) zapcore.Core {
	return calm{c.Core.With(fields), c.closing}
}

func (c calm) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	closed := strings.HasPrefix(entry.Message, "setting up serving from embedded etcd failed") ||
		strings.HasPrefix(entry.Message, "stopping insecure grpc server") ||
		strings.HasPrefix(entry.Message, "stopping secure grpc server") ||
		strings.HasPrefix(entry.Message, "stopped insecure grpc server") ||
		strings.HasPrefix(entry.Message, "stopped secure grpc server")
	if closed && c.closing.Load() || strings.HasPrefix(entry.Message, "Running http and grpc server on single port") {
		return checked
	}
	return c.Core.Check(entry, checked)
}

// calmed is logger without those lines; closing is set when etcd begins to close.
func calmed(logger *zap.Logger, closing *atomic.Bool) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return calm{core, closing} }))
}
