package testneed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// recorder is a test whose end is written down.
type recorder struct {
	testing.TB
	end, text string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end, r.text = "failed", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.end, r.text = "skipped", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// program runs Program as a test would, and returns its path or how that test ended.
func program(t *testing.T, name string) (path string, r *recorder) {
	r = &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = testneed.Program(r, name, "some-package")
	}()
	<-done
	return path, r
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	require.NoError(t, os.WriteFile(there, []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", dir)

	for _, required := range []string{"", "1"} {
		t.Setenv("GATEHOUSE_REQUIRE", required)
		path, r := program(t, "there")
		require.Equal(t, there, path)
		require.Empty(t, r.end)

		path, r = program(t, "missing")
		require.Empty(t, path)
		require.Contains(t, r.text, "missing")
		require.Contains(t, r.text, "some-package")
		if required == "" {
			require.Equal(t, "skipped", r.end)
		} else {
			require.Equal(t, "failed", r.end)
		}
	}
}
