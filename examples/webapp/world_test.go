package main

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

// world is the service as a test runs it: on files of its own, with a clock that the test moves.
type world struct {
	t      testing.TB
	app    *app
	server *httptest.Server
	file   string
	https  bool
	named  bool // it has a name, and with it passkeys
	stop   func()
	change func(*options) // nil: as it is

	looked map[string]bool // pages that were looked at

	mu      sync.Mutex
	now     time.Time
	log     strings.Builder
	mail    []string
	told    []email.Message // of notices
	secrets []string
}

func newWorld(t testing.TB) *world { return newWorldWith(t, nil) }

// newNamedWorld is a world with passkeys.
func newNamedWorld(t testing.TB) *world {
	return begin(t, &world{named: true})
}

func newWorldWith(t testing.TB, change func(*options)) *world {
	return begin(t, &world{change: change})
}

func begin(t testing.TB, w *world) *world {
	w.t, w.file, w.now, w.looked = t, filepath.Join(t.TempDir(), "webapp.db"), gatehousetest.Start, map[string]bool{}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start starts the service on the files that are there.
func (w *world) start() {
	w.t.Helper()
	ctx := context.Background()
	keys, db, err := openFiles(w.file)
	require.NoError(w.t, err)
	o := options{
		DB: db, Keys: keys, Now: w.clock, Log: slog.New(slog.NewTextHandler(w, nil)), HTTPS: w.https,
		Mail: func(to, text string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.mail = append(w.mail, to+": "+text)
		},
		Send: func(_ context.Context, m email.Message) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, m)
			return nil
		},
	}
	if w.change != nil {
		w.change(&o)
	}
	w.server = httptest.NewUnstartedServer(nil)
	if w.named {
		o.Origin = "http://localhost:" + strconv.Itoa(w.server.Listener.Addr().(*net.TCPAddr).Port)
	}
	w.app, err = newApp(ctx, o)
	require.NoError(w.t, err)
	w.server.Config.Handler = w.app
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(w, nil), slog.LevelWarn)
	w.server.Start()
	if w.named {
		w.server.URL = o.Origin
	}
	w.stop = func() {
		w.server.Close()
		require.NoError(w.t, w.app.svc.Close(ctx))
		require.NoError(w.t, db.Close())
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// code waits for the next code of an authenticator, which nobody has used, and returns it.
func (w *world) code(a *gatehousetest.Authenticator) string {
	w.wait(30 * time.Second)
	return a.Code(w.clock())
}

// Write is for the log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// lastMail returns the mail that was sent last.
func (w *world) lastMail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.mail)
	return w.mail[len(w.mail)-1]
}
