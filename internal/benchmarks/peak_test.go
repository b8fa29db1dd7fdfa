package benchmarks_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// peakRSS returns the most bytes of memory that this process has had resident at any time, as Linux
// counts them. It never falls, so what is to be measured runs in a process of its own.
func peakRSS(tb testing.TB) int {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Skip("needs Linux's /proc")
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")))
			require.NoError(tb, err)
			return n * 1024
		}
	}
	tb.Fatal("/proc/self/status has no VmHWM")
	return 0
}

func TestPeakRSS(t *testing.T) {
	const size = 64 << 20
	require.Positive(t, peakRSS(t))
	block := make([]byte, size)
	for i := range block {
		block[i] = 1 // a page counts once it is written to
	}
	require.Greater(t, peakRSS(t), size)
	require.Less(t, peakRSS(t), size*16)
}
