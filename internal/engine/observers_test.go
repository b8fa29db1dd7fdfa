package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// What anybody can cause who has no right code or token, as often as they like, leaves room for everything else: no flood
// of it keeps a lock or a revocation from being told.
func TestRoomForEventsThatMatter(t *testing.T) {
	for kind, room := range map[event.Kind]int{
		event.CodeDenied: 1024, event.ThrottledBurst: 1024, event.TokenReused: 1024, event.TokenNewAddress: 1024,
		event.CodeAccepted: 2048, event.MethodLocked: 2048, event.ManyFailures: 2048, event.RecoveryCodeUsed: 2048,
		event.TokenRevoked: 2048, event.TokenContested: 2048, event.TokenFirstUsed: 2048, event.PostureChanged: 2048,
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &told{}
			e := newEngine(o)
			flood := make([]core.Event, 3000)
			for i := range flood {
				flood[i] = core.Event{Kind: kind, At: time.Now().Unix(), RetryAt: int64(i + 1)} // each burst is of another lock
			}
			require.NoError(t, e.Change(t.Context(), "ada", engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
				a.Events = flood
				return a, nil
			}}))
			synctest.Wait()
			require.Equal(t, room, len(o.kinds), kind) // not Len, which would print them all
		})
	}
}
