package customstorage

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

func open(t testing.TB, file string) *Store {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	s, err := New(db)
	require.NoError(t, err)
	return s
}

// TestStore runs the suite. bbolt locks its file, so there is one handle on it.
func TestStore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "accounts.db"))
	storagetest.Run(t, func(*testing.T) storage.Store { return s })
}

// TestSimulate looks for schedules that it does not survive.
func TestSimulate(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "accounts.db"))
	storagetest.Simulate(t, func(*testing.T) storage.Store { return s })
}

// TestNoSync: a file that is not written through is refused.
func TestNoSync(t *testing.T) {
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "accounts.db"), 0o600, &bbolt.Options{NoSync: true})
	require.NoError(t, err)
	defer db.Close()
	_, err = New(db)
	require.ErrorContains(t, err, "NoSync")
}

// TestService signs in with a service on it, and cannot do so again with the same code when the file
// was closed and opened.
func TestService(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "accounts.db")
	keys, app := keyring.Generate(), totp.Key{Secret: totp.GenerateSecret()}
	code, err := app.Code(totp.Step(time.Now()))
	require.NoError(t, err)
	signIn := func() error {
		db, err := bbolt.Open(file, 0o600, nil)
		require.NoError(t, err)
		defer db.Close()
		s, err := New(db)
		require.NoError(t, err)
		svc, err := gatehouse.New(s, gatehouse.Config{Issuer: "Acme", Keys: keys})
		require.NoError(t, err)
		_, err = svc.Operator("import").Import(ctx, "ada", gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: app.Secret, LastStep: 1}},
		})
		require.NoError(t, err) // the same import twice changes nothing
		try, err := svc.Before(ctx, "ada")
		require.NoError(t, err)
		ch, err := try.Challenge(ctx)
		require.NoError(t, err)
		require.Equal(t, gatehouse.StepNeeded, ch.Step)
		_, err = svc.Answer(ctx, gatehouse.Session{}, ch.Token.Reveal(), code)
		return err
	}
	require.NoError(t, signIn())
	require.ErrorIs(t, signIn(), gatehouse.ErrDenied)
}

// TestKilled kills a process that saves, and finds all that it had been told was saved.
func TestKilled(t *testing.T) {
	if file := os.Getenv("CUSTOMSTORAGE_FILE"); file != "" {
		saveForever(t, file)
	}
	file := filepath.Join(t.TempDir(), "accounts.db")
	for round := range 5 {
		c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		c.Env = append(os.Environ(), "CUSTOMSTORAGE_FILE="+file)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		saved := int64(0)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			_, err := fmt.Sscan(lines.Text(), &saved)
			require.NoError(t, err)
			if saved%20 == int64(10+round) {
				require.NoError(t, c.Process.Kill())
			}
		}
		_ = c.Wait()
		db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: 10 * time.Second})
		require.NoError(t, err)
		s, err := New(db)
		require.NoError(t, err)
		r, err := s.LoadAccount(t.Context(), "a")
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Version, saved)
		require.NoError(t, db.Close())
	}
}

// saveForever counts the version of an account up, and says so after each save.
func saveForever(t *testing.T, file string) {
	s, ctx := open(t, file), context.Background()
	r, err := s.LoadAccount(ctx, "a")
	if err != nil {
		require.ErrorIs(t, err, storage.ErrNotFound)
		r.ID = "a"
	}
	for {
		prev := r.Version
		r.Version++
		require.NoError(t, s.SaveAccount(ctx, r, prev))
		fmt.Println(r.Version)
	}
}
