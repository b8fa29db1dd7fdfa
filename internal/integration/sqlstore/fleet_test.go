package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// TestFleetOfMany reviews accounts by the thousand (GATEHOUSE_TEST_FLEET says how many) on SQLite, cut off in
// the middle, in memory that does not grow with them.
func TestFleetOfMany(t *testing.T) {
	accounts := 2000
	if text := os.Getenv("GATEHOUSE_TEST_FLEET"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		accounts = n
	}
	ctx := t.Context()
	d := database{sqlstore.SQLite, "sqlite3", dbtest.SQLite(t), nil}
	store := d.store(t, d.open(t), sqlstore.Options{})
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	require.NoError(t, err)
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
	})
	require.NoError(t, err)
	pos, err := posture.New(svc, posture.Config{Policy: gates})
	require.NoError(t, err)
	audit := pos.Operator(svc.Operator("audit"))

	// One in four has a second factor; the others are copies of one that has none.
	_, err = svc.Operator("op").Import(ctx, "on", gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}})
	require.NoError(t, err)
	try, err := svc.Before(ctx, "off")
	require.NoError(t, err)
	_, err = try.Vouch(ctx, gatehouse.Session{Account: "off"}, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(t, err)
	on, err := store.LoadAccount(ctx, "on")
	require.NoError(t, err)
	off, err := store.LoadAccount(ctx, "off")
	require.NoError(t, err)
	for i := range accounts - 2 {
		rec := off
		if i%4 == 0 {
			rec = on
		}
		rec.ID = fmt.Sprintf("user-%07d", i)
		require.NoError(t, store.SaveAccount(ctx, rec, 0))
	}

	var most uint64
	look := func(f posture.Summary) {
		if f.Accounts%500 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	cut, cancel := context.WithCancel(ctx)
	part, err := audit.Fleet(cut, posture.Summary{}, func(f posture.Summary) {
		if look(f); f.Accounts == accounts/2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	begun := time.Now()
	f, err := audit.Fleet(ctx, part, look)
	require.NoError(t, err)
	protected := 1 + (accounts-2+3)/4
	require.Equal(t, accounts, f.Accounts)
	require.Equal(t, [4]int{accounts - protected, protected, 0, 0}, f.Levels)
	require.Equal(t, accounts-protected, f.ShutOut["deploy.public"])
	require.Less(t, most, uint64(32<<20))
	t.Logf("%d accounts, %v each, heap of at most %d KiB", accounts, time.Since(begun)/time.Duration(accounts-part.Accounts), most>>10)
}
