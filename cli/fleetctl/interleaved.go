package fleetctl

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// interleaved prints lines of several sources, each line whole. Once there are
// several sources, each line begins with the name of its own.
type interleaved struct {
	bare bool // never name the source

	mu      sync.Mutex
	out     io.Writer // guarded by mu, like sources
	sources map[string]bool
}

func newInterleaved(out io.Writer, bare bool) *interleaved {
	return &interleaved{out: out, bare: bare, sources: map[string]bool{}}
}

// source is the writer of one name. It is for one goroutine.
func (i *interleaved) source(name string) *source {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sources[name] = true
	return &source{all: i, name: name}
}

type source struct {
	all   *interleaved
	name  string
	rest  []byte // the beginning of a line whose end is still to come
	wrote bool
	err   error // of printing
}

func (s *source) Write(p []byte) (int, error) {
	s.wrote = s.wrote || len(p) > 0
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	s.print(s.rest[:end])
	s.rest = append(s.rest[:0], s.rest[end:]...)
	return len(p), s.err
}

// end prints what there is of a line that will not go on.
func (s *source) end() {
	if len(s.rest) > 0 {
		s.print(append(s.rest, '\n'))
		s.rest = nil
	}
}

func (s *source) print(lines []byte) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if !s.all.bare && len(s.all.sources) > 1 {
		var named bytes.Buffer
		for line := range bytes.Lines(lines) {
			fmt.Fprintf(&named, "%s: %s", s.name, line)
		}
		lines = named.Bytes()
	}
	if _, err := s.all.out.Write(lines); s.err == nil {
		s.err = err
	}
}
