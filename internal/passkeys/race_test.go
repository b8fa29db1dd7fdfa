package passkeys_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const origin = "https://acme.test"

// node is a process.
type node struct {
	*gatehouse.Service
	pk *passkey.Service
}

// nodes returns two processes on stores that share what is stored, with the same keys.
func nodes(t *testing.T, stores [2]storage.Store) (list [2]node) {
	t.Helper()
	keys := keyring.Generate()
	for i, store := range stores {
		svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: keys, Recovery: gatehousetest.CheapRecovery()})
		require.NoError(t, err)
		pk, err := passkey.New(svc, passkey.Config{RPID: "acme.test", Origins: []string{origin}})
		require.NoError(t, err)
		list[i] = node{svc, pk}
	}
	return list
}

// each runs a test on memory and on a new database of each kind.
func each(t *testing.T, test func(t *testing.T, nodes [2]node)) {
	t.Run("memory", func(t *testing.T) {
		store := memory.New()
		test(t, nodes(t, [2]storage.Store{store, store}))
	})
	for name, open := range map[string]func() (sqlstore.Dialect, string, string){
		"postgres": func() (sqlstore.Dialect, string, string) {
			s := dbtest.Postgres(t)
			return sqlstore.PostgreSQL, s.Driver(), s.Database(t)
		},
		"mysql": func() (sqlstore.Dialect, string, string) {
			s := dbtest.MySQL(t)
			return sqlstore.MySQL, s.Driver(), s.Database(t)
		},
		"sqlite": func() (sqlstore.Dialect, string, string) { return sqlstore.SQLite, "sqlite3", dbtest.SQLite(t) },
	} {
		t.Run(name, func(t *testing.T) {
			dialect, driver, dsn := open()
			var stores [2]storage.Store
			for i := range stores {
				db, err := sql.Open(driver, dsn)
				require.NoError(t, err)
				t.Cleanup(func() { db.Close() })
				db.SetMaxOpenConns(10)
				store, err := sqlstore.New(db, dialect, sqlstore.Options{Timeout: time.Minute})
				require.NoError(t, err)
				if i == 0 {
					require.NoError(t, store.Migrate(t.Context()))
				}
				stores[i] = store
			}
			test(t, nodes(t, stores))
		})
	}
}

// One response by 200 requests on two processes: one of them wins, at each ceremony. The others are denied.
func TestOnePasskeyOneWinner(t *testing.T) {
	each(t, func(t *testing.T, nodes [2]node) {
		ctx, pk := t.Context(), nodes[0].pk
		in := gatehouse.Session{Account: "ada", Secret: "browser"}
		try, err := nodes[0].Before(ctx, "ada")
		require.NoError(t, err)
		in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd"})
		require.NoError(t, err)
		phone := passkeytest.New(origin)
		phone.Count = 7
		enr, options, err := pk.BeginRegistration(ctx, in, gatehouse.EnrollmentRequest{Label: "ada"})
		require.NoError(t, err)
		response, err := phone.Create(options)
		require.NoError(t, err)
		race(t, nodes, "registration", func(n node) error {
			_, err := n.pk.FinishRegistration(ctx, in, enr.ID, response)
			return err
		})

		answer := func(name string, options []byte, err error, take func(n node, response []byte) (gatehouse.Verification, error)) {
			t.Helper()
			require.NoError(t, err, name)
			response, err := phone.Get(options)
			require.NoError(t, err, name)
			race(t, nodes, name, func(n node) error {
				v, err := take(n, response)
				if err == nil && v.Session.Account != "ada" {
					return fmt.Errorf("signed in as %q", v.Session.Account)
				}
				return err
			})
		}
		try, err = nodes[1].Before(ctx, "ada")
		require.NoError(t, err)
		ch, err := try.Challenge(ctx)
		require.NoError(t, err)
		options, err = pk.AnswerOptions(ctx, in, ch.Token.Reveal())
		answer("answer", options, err, func(n node, response []byte) (gatehouse.Verification, error) {
			return n.pk.AnswerPasskey(ctx, in, ch.Token.Reveal(), response)
		})
		options, err = pk.StepUpOptions(ctx, in)
		answer("step-up", options, err, func(n node, response []byte) (gatehouse.Verification, error) { return n.pk.StepUp(ctx, in, response) })
		options, err = pk.SignInOptions(ctx, "browser")
		answer("sign-in", options, err, func(n node, response []byte) (gatehouse.Verification, error) {
			return n.pk.SignIn(ctx, gatehouse.Session{Secret: "browser"}, response)
		})
		a, err := nodes[1].Account(ctx, "ada")
		require.NoError(t, err)
		require.Len(t, a.Authenticators, 1)
	})
}

// race makes a call 200 times at once, on two processes in turn. One has to win.
func race(t *testing.T, nodes [2]node, name string, call func(n node) error) {
	t.Helper()
	var won atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 200 {
		wg.Go(func() {
			<-start
			err := call(nodes[i%2])
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, gatehouse.ErrDenied), errors.Is(err, gatehouse.ErrNotFound), errors.Is(err, gatehouse.ErrStepUpRequired):
			default:
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	close(start)
	wg.Wait()
	require.EqualValues(t, 1, won.Load(), name)
}
