// Package browsertest is a browser for tests, and a suite of what each example has to do in one.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// Patience ends what hangs. Nothing waits for it to pass, and no machine is so busy that a page takes as long.
const Patience = 5 * time.Minute

// Elsewhere is a host that browsers find on this machine and take for one that is not: over plain HTTP it is no secure
// context, so there is no clipboard, for example.
const Elsewhere = "acme.test"

// chromium is the one browser of all tests.
var chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
	https *https
}

// Main is for TestMain: it runs the tests, ends the browser and exits.
func Main(m *testing.M) {
	status := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	os.Exit(status)
}

func startChromium(path string) {
	chromium.once.Do(func() {
		dir, err := os.MkdirTemp("", "gatehouse-chromium-")
		if err != nil {
			chromium.err = err
			return
		}
		chromium.https = startHTTPS()
		flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(dir),
			chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("no-sandbox", os.Geteuid() == 0),
			chromedp.Flag("host-resolver-rules", "MAP "+Elsewhere+" 127.0.0.1,"+chromium.https.rules()),
			chromedp.Flag("ignore-certificate-errors-spki-list", chromium.https.pin()), chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(Patience))
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
		ctx, stop := chromedp.NewContext(allocator)
		chromium.ctx, chromium.err = ctx, chromedp.Do(ctx)
		chromium.close = func() {
			stop()
			stopAllocator()
			chromium.https.server.Close()
			_ = os.RemoveAll(dir)
		}
	})
}

// program returns the path of the browser.
func program(t testing.TB) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return testneed.Program(t, "chromium", "chromium")
}
