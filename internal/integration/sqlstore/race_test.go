package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// burst is what a process is to do: give one code many times at once.
type burst struct {
	Dialect           sqlstore.Dialect
	Driver, DSN       string
	Begin             []string // of each connection
	Keys, Code        string
	Account           string
	Challenge         string
	Assertion         *core.PasskeyAttempt // instead of a code; by the account's handle every other time
	Now               time.Time
	Times             int
	Won, Wrong, Early int      // what came of it: successes, denials of a wrong code, denials while locked
	Faults            []string // all else
}

const burstVariable = "GATEHOUSE_TEST_BURST"

// TestMain is also the other processes of the tests.
func TestMain(m *testing.M) {
	if text := os.Getenv(burstVariable); text != "" {
		if err := burstMain(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(dbtest.Main(m))
}

// burstMain says that it is ready, waits for its standard input to end, runs the burst and writes
// what came of it.
func burstMain(text string) error {
	var b burst
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return err
	}
	db, err := openWith(b.Driver, b.DSN, b.Begin)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxIdleConns(20)
	db.SetMaxOpenConns(20)
	svc, err := b.service(db)
	if err != nil {
		return err
	}
	if _, err := svc.Account(context.Background(), b.Account); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range b.Times {
		wg.Go(func() {
			var err error
			in := gatehouse.Session{Account: b.Account}
			if b.Assertion != nil {
				err = b.assert(svc, i%2 == 0)
			} else if i%2 == 0 {
				_, err = svc.StepUp(context.Background(), in, b.Code)
			} else {
				_, err = svc.Answer(context.Background(), in, b.Challenge, b.Code)
			}
			var denied *gatehouse.DeniedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				b.Won++
			case errors.As(err, &denied) && denied.RetryAt.IsZero():
				b.Wrong++
			case errors.Is(err, gatehouse.ErrDenied):
				b.Early++
			default:
				b.Faults = append(b.Faults, err.Error())
			}
		})
	}
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(b)
}

// service makes the service that all processes have.
func (b burst) service(db *sql.DB) (*gatehouse.Service, error) {
	keys, err := keyring.Parse(b.Keys)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.New(db, b.Dialect, patient)
	if err != nil {
		return nil, err
	}
	return gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keys, Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1},
		Now: func() time.Time { return b.Now },
	})
}

// run has two processes do the burst at once, each half of it, and returns what came of both.
func (b burst) run(t testing.TB) burst {
	t.Helper()
	b.Times /= 2
	type child struct {
		cmd *exec.Cmd
		in  io.Closer
		out *bufio.Reader
	}
	var children [2]child
	for i := range children {
		text, err := json.Marshal(b)
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), burstVariable+"="+string(text))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		children[i] = child{cmd, in, bufio.NewReader(out)}
	}
	for _, c := range children {
		line, err := c.out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
	}
	for _, c := range children {
		require.NoError(t, c.in.Close())
	}
	var sum burst
	for _, c := range children {
		var did burst
		require.NoError(t, json.NewDecoder(c.out).Decode(&did))
		require.NoError(t, c.cmd.Wait())
		sum.Won += did.Won
		sum.Wrong += did.Wrong
		sum.Early += did.Early
		sum.Faults = append(sum.Faults, did.Faults...)
	}
	require.Empty(t, sum.Faults)
	require.Equal(t, 2*b.Times, sum.Won+sum.Wrong+sum.Early)
	return sum
}

// TestRaces: two processes give one code 200 times, and then 500 wrong ones, at once, under the
// default isolation and under the strictest.
func TestRaces(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		d.store(t, d.open(t), sqlstore.Options{})
		isolations := []string{d.pick("SELECT 1", "DO 1", "PRAGMA user_version = 0")}
		if d.dialect != sqlstore.SQLite {
			isolations = append(isolations, d.pick(
				"SET default_transaction_isolation = 'serializable'", "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
		}
		for i, isolation := range isolations {
			b := burst{
				Dialect: d.dialect, Driver: d.driver, DSN: d.dsn, Begin: []string{isolation},
				Keys: keyring.Generate().Reveal(), Account: fmt.Sprint("user-", i),
				Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
			}
			ctx := t.Context()
			svc, err := b.service(d.open(t))
			require.NoError(t, err)
			in := gatehouse.Session{Account: b.Account}
			try, err := svc.Before(ctx, b.Account)
			require.NoError(t, err)
			in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: b.Now})
			require.NoError(t, err)
			enr, err := svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
			require.NoError(t, err)
			code := func() string {
				code, err := totp.Key{Secret: enr.Secret, Digits: 6}.Code(totp.Step(b.Now))
				require.NoError(t, err)
				return code
			}
			_, err = svc.Owner(in).ConfirmEnrollment(ctx, enr.ID, code())
			require.NoError(t, err)
			next := func() {
				b.Now = b.Now.Add(totp.Period)
				svc, err = b.service(d.open(t))
				require.NoError(t, err)
				try, err := svc.Before(ctx, b.Account)
				require.NoError(t, err)
				ch, err := try.Challenge(ctx)
				require.NoError(t, err)
				b.Challenge = ch.Token.Reveal()
			}

			next()
			b.Times, b.Code = 200, enr.RecoveryCodes[3].Reveal()
			require.Equal(t, 1, b.run(t).Won, "recovery code, %s", isolation)
			next()
			b.Code = code()
			require.Equal(t, 1, b.run(t).Won, "TOTP, %s", isolation)
			shown, err := svc.Account(ctx, b.Account)
			require.NoError(t, err)
			require.Equal(t, 9, shown.RecoveryCodes.Left)

			b.passkey(t, svc)

			// Those that lost have locked the account, for a while. The sixth wrong guess does so again.
			require.NoError(t, svc.Operator("support").Unlock(ctx, b.Account, event.MethodTOTP))
			next()
			right := []byte(code())
			right[0] = '0' + (right[0]-'0'+5)%10
			b.Times, b.Code = 500, string(right)
			got := b.run(t)
			require.Equal(t, 5, got.Wrong, "wrong guesses that were answered, %s", isolation)
			require.Equal(t, 495, got.Early)
		}
	})
}
