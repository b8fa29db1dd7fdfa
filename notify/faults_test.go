package notify_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
)

// A host hears why an owner is not told, once for each try, and of a store that does not list; not of what goes well, and
// not that Drain ends.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := newNode(t, notify.Config{Faults: slog.New(slog.NewTextHandler(&log, nil))})
		h.happens(t, "ada", 3)
		h.happens(t, "bob", 3)
		b := newInbox(func(_ context.Context, n event.Notice, call int) error {
			if n.AccountID == "ada" && call <= 4 {
				return errSink
			}
			return nil
		})
		h.drains(t, b)
		passes(time.Hour)
		require.Equal(t, 4, strings.Count(log.String(), `level=WARN msg="notify: an owner could not be told" account=ada error="no mail today"`))
		require.Equal(t, 4, strings.Count(log.String(), "\n"))
		log.Reset()
		h.Store.Inject(gatehousetest.On("UnsentAccounts", gatehousetest.Fail))
		passes(14 * time.Second)
		require.Contains(t, log.String(), "could not be listed")
		h.Store.Inject(nil)
		passes(time.Minute)
		log.Reset()
		h.happens(t, "bob", 1)
		h.stop()
		require.Empty(t, log.String())
	})
}
