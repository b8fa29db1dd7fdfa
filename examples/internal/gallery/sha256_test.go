//go:build !race

package gallery_test

import (
	"bufio"
	"crypto/fips140"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// TestSHA256 measures the states of a pairing in a process that may use approved algorithms alone, and so pairs with SHA-256.
// That process is not the browser's: a WebSocket begins with SHA-1.
func TestSHA256(t *testing.T) {
	const at = "the host is at "
	if fips140.Enforced() {
		fmt.Println(at + newHost(t, "en", false).site.URL)
		_, _ = io.Copy(io.Discard, os.Stdin) // until nobody needs it
		return
	}
	browsertest.Open(t, "about:blank") // or the test is skipped
	host := exec.Command(os.Args[0], "-test.run=^TestSHA256$")
	host.Env = append(os.Environ(), "GODEBUG=fips140=only")
	in, err := host.StdinPipe()
	require.NoError(t, err)
	out, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	t.Cleanup(func() {
		_ = in.Close()
		require.NoError(t, host.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), at)
	require.True(t, ok, line)

	axe := browsertest.Axe(t)
	v := &visit{Tab: browsertest.Open(t, url), t: t, account: "sha-256"}
	look := func(name string) {
		t.Helper()
		require.Regexp(t, pattern(t, "en", "pair.sha256"), v.Text())
		v.measure(axe, name)
	}
	v.member("/pair")
	look("pair SHA-256")
	v.begin()
	look("scan SHA-256")
	v.saveCodes()
	look("confirm SHA-256")
}
