package migrate_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	pquerna "github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/examples/migrate"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// phone is the app of an owner of another system.
func phone(t *testing.T, secret string, opts pquerna.ValidateOpts, at time.Time) string {
	t.Helper()
	if opts.Period == 0 {
		opts.Period = 30
	}
	if opts.Digits == 0 {
		opts.Digits = otp.DigitsSix
	}
	code, err := pquerna.GenerateCodeCustom(secret, at, opts)
	require.NoError(t, err)
	return code
}

// signsIn reports whether a code answers the second step.
func signsIn(t *testing.T, svc *gatehousetest.Service, code string) bool {
	t.Helper()
	_, err := svc.Answer(t.Context(), gatehouse.Session{}, svc.Challenge(t, "ada").Token.Reveal(), code)
	if err != nil {
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	}
	return err == nil
}

// bring imports an account into an empty service.
func bring(t *testing.T, in gatehouse.Import) (*gatehousetest.Service, gatehouse.ImportResult) {
	t.Helper()
	svc := gatehousetest.New(t)
	result, err := svc.Operator("migration").Import(t.Context(), "ada", in)
	require.NoError(t, err)
	return svc, result
}

// closes shows that an account of which nothing can be brought is closed: the password alone does not sign in.
func closes(t *testing.T, in gatehouse.Import, outcomes ...gatehouse.ImportOutcome) {
	t.Helper()
	svc, result := bring(t, in)
	require.True(t, result.Closed)
	require.Equal(t, outcomes, result.Authenticators)
	ch := svc.Challenge(t, "ada")
	require.Equal(t, gatehouse.StepNeeded, ch.Step)
	_, err := svc.RedeemOperatorCode(t.Context(), gatehouse.Session{}, ch.Token.Reveal(), result.Code.Reveal())
	require.NoError(t, err)
}

func TestFromPquerna(t *testing.T) {
	for name, opts := range map[string]pquerna.GenerateOpts{
		"as it comes": {},
		"SHA-256":     {Algorithm: otp.AlgorithmSHA256},
		"SHA-512":     {Algorithm: otp.AlgorithmSHA512, Digits: otp.DigitsEight},
		"10 bytes":    {SecretSize: 10},
	} {
		opts.Issuer, opts.AccountName = "Acme", "ada@acme.test"
		key, err := pquerna.Generate(opts)
		require.NoError(t, err)
		kept := []string{key.URL()}
		if opts.Algorithm == otp.AlgorithmSHA1 {
			kept = append(kept, key.Secret(), strings.ToLower(key.Secret())+"\n")
		}
		for _, text := range kept {
			svc, result := bring(t, migrate.FromPquerna(text))
			require.False(t, result.Closed, "%s: %v", name, result)
			svc.Wait(time.Minute)
			code := phone(t, key.Secret(), pquerna.ValidateOpts{Algorithm: opts.Algorithm, Digits: opts.Digits}, svc.Now())
			require.True(t, signsIn(t, svc, code), name)
		}
	}
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for text, outcome := range map[string]gatehouse.ImportOutcome{
		"otpauth://hotp/Acme:ada?secret=" + secret + "&counter=7":     "bad_secret",
		"otpauth://totp/Acme:ada?secret=" + secret + "&period=60":     "bad_period",
		"otpauth://totp/Acme:ada?secret=" + secret + "&algorithm=MD5": "bad_parameters",
		"otpauth://totp/Acme:ada?secret=" + secret + "&digits=7":      "bad_parameters",
		"otpauth://totp/Acme:ada?secret=" + secret + "&encoder=steam": "bad_parameters",
		"otpauth://totp/Acme:ada?secret=" + secret + "&digits=six":    "bad_secret",
		"otpauth://totp/Acme:ada":                                     "bad_secret",
		"otpauth://%":                                                 "bad_secret",
		"":                                                            "bad_secret",
		"a sealed secret":                                             "bad_secret",
	} {
		closes(t, migrate.FromPquerna(text), outcome)
	}
}

func TestFromAuthboss(t *testing.T) {
	key, err := pquerna.Generate(pquerna.GenerateOpts{Issuer: "Acme", AccountName: "ada@acme.test"}) // as totp2fa does
	require.NoError(t, err)
	codes := []string{"f7a2k-9xq0m", "abd34-1b24d"}
	var hashes []string
	for _, code := range codes {
		hash, err := bcrypt.GenerateFromPassword([]byte(code), bcrypt.MinCost)
		require.NoError(t, err)
		hashes = append(hashes, string(hash))
	}
	in, ok := migrate.FromAuthboss(migrate.AuthbossUser{TOTPSecretKey: key.Secret(), RecoveryCodes: strings.Join(hashes, ",")})
	require.True(t, ok)
	svc, result := bring(t, in)
	require.Equal(t, []gatehouse.ImportOutcome{"brought", "brought"}, result.RecoveryCodes)
	svc.Wait(time.Minute)
	require.True(t, signsIn(t, svc, phone(t, key.Secret(), pquerna.ValidateOpts{}, svc.Now())))
	require.True(t, signsIn(t, svc, codes[1]))
	require.False(t, signsIn(t, svc, codes[1]))
	require.True(t, signsIn(t, svc, codes[0]))

	in, ok = migrate.FromAuthboss(migrate.AuthbossUser{TOTPSecretKey: key.Secret()})
	require.True(t, ok)
	require.Empty(t, in.RecoveryCodes, "all of them were used")
	_, ok = migrate.FromAuthboss(migrate.AuthbossUser{RecoveryCodes: hashes[0]})
	require.False(t, ok, "two-factor was turned off")
	in, ok = migrate.FromAuthboss(migrate.AuthbossUser{SMSPhoneNumber: "+15550100", RecoveryCodes: hashes[0]})
	require.True(t, ok)
	closes(t, in)
}

// libpamFile is as google-authenticator writes it, after some sign-ins.
const libpamFile = `GEZDGNBVGY3TQOJQGEZDGNBVGY
" RATE_LIMIT 3 30 1893499200 1893499230
" WINDOW_SIZE 17
" DISALLOW_REUSE 63116638 63116640 63116639
" TOTP_AUTH
41830251
93507716
20964837
58112409
76340098
`

func TestFromLibpam(t *testing.T) {
	in, ok := migrate.FromLibpam(libpamFile)
	require.True(t, ok)
	require.EqualValues(t, 63116640, in.Authenticators[0].LastStep)
	require.Equal(t, totp.Step(gatehousetest.Start), in.Authenticators[0].LastStep)
	svc, result := bring(t, in)
	require.Equal(t, []gatehouse.ImportOutcome{"brought"}, result.Authenticators)
	require.Len(t, result.RecoveryCodes, 5)
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY"
	require.False(t, signsIn(t, svc, phone(t, secret, pquerna.ValidateOpts{}, svc.Now())), "it was used there")
	svc.Wait(30 * time.Second)
	require.True(t, signsIn(t, svc, phone(t, secret, pquerna.ValidateOpts{}, svc.Now())))
	require.True(t, signsIn(t, svc, "20964837"))
	require.False(t, signsIn(t, svc, "20964837"))

	for change, outcome := range map[[2]string]gatehouse.ImportOutcome{
		{`" TOTP_AUTH`, `" HOTP_COUNTER 4`}:                               "bad_secret",
		{`" TOTP_AUTH`, "\" TOTP_AUTH\n\" HOTP_COUNTER 4"}:                "bad_secret",
		{"\" TOTP_AUTH\n", ""}:                                            "bad_secret",
		{`" TOTP_AUTH`, "\" TOTP_AUTH\n\" STEP_SIZE 10"}:                  "bad_period",
		{`" TOTP_AUTH`, "\" TOTP_AUTH\n\" STEP_SIZE x"}:                   "bad_period",
		{"63116639\n", "189349917\n\" STEP_SIZE 10\n"}:                    "bad_period",
		{"GEZDGNBVGY3TQOJQGEZDGNBVGY", "GEZDGNBVGY3TQOJ"}:                 "bad_secret",
		{"GEZDGNBVGY3TQOJQGEZDGNBVGY", "U2FsdGVkX1+0123456789abcdef01=="}: "bad_secret",
	} {
		in, ok := migrate.FromLibpam(strings.Replace(libpamFile, change[0], change[1], 1))
		require.True(t, ok)
		closes(t, in, outcome)
	}
	in, _ = migrate.FromLibpam("")
	closes(t, in, "bad_secret")
	_, ok = migrate.FromLibpam(libpamFile + "\" OTP_DISABLED\n")
	require.False(t, ok)
	windows, ok := migrate.FromLibpam(strings.ReplaceAll(libpamFile, "\n", "\r\n"))
	require.True(t, ok)
	require.Len(t, windows.RecoveryCodes, 5)
	require.Equal(t, in.CodeLife, windows.CodeLife)
}

func TestFromDjango(t *testing.T) {
	const key, secret = "3132333435363738393031323334353637383930", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	device := migrate.DjangoDevice{Name: "default", Confirmed: true, Key: key, Step: 30, Digits: 6, LastT: totp.Step(gatehousetest.Start)}
	in, ok := migrate.FromDjango([]migrate.DjangoDevice{device}, []string{"abzq5mwk", "k2dd7hva"}, false)
	require.True(t, ok)
	svc, result := bring(t, in)
	require.Equal(t, []gatehouse.ImportOutcome{"brought", "brought"}, result.RecoveryCodes)
	require.False(t, signsIn(t, svc, phone(t, secret, pquerna.ValidateOpts{}, svc.Now())), "it was used there")
	svc.Wait(30 * time.Second)
	require.True(t, signsIn(t, svc, phone(t, secret, pquerna.ValidateOpts{}, svc.Now())))
	require.True(t, signsIn(t, svc, "K2DD7HVA"))

	pending, never, eight := device, device, device
	pending.Confirmed, pending.Key = false, "3131333435363738393031323334353637383930"
	never.LastT = -1
	eight.Digits, eight.Name = 8, ""
	in, ok = migrate.FromDjango([]migrate.DjangoDevice{pending, never, eight}, nil, true)
	require.True(t, ok)
	_, result = bring(t, in)
	require.Equal(t, []gatehouse.ImportOutcome{"brought", "duplicate"}, result.Authenticators, "the pending one is not offered")
	in, ok = migrate.FromDjango([]migrate.DjangoDevice{eight}, nil, false)
	require.True(t, ok)
	svc, _ = bring(t, in)
	svc.Wait(30 * time.Second)
	require.True(t, signsIn(t, svc, phone(t, secret, pquerna.ValidateOpts{Digits: 8}, svc.Now())))

	for outcome, edit := range map[gatehouse.ImportOutcome]func(*migrate.DjangoDevice){
		"bad_period":     func(d *migrate.DjangoDevice) { d.Step, d.LastT = 10, 3*d.LastT },
		"bad_secret":     func(d *migrate.DjangoDevice) { d.T0, d.LastT = -1<<40, 1<<40 },
		"bad_parameters": func(d *migrate.DjangoDevice) { d.Digits = 7 },
	} {
		d := device
		edit(&d)
		in, _ := migrate.FromDjango([]migrate.DjangoDevice{d}, []string{"abzq5mwk"}, false)
		closes(t, in, outcome)
	}
	broken := device
	broken.Key = "no"
	in, _ = migrate.FromDjango([]migrate.DjangoDevice{broken}, nil, false)
	closes(t, in, "bad_secret")
	for _, in := range [][]string{{"abzq5mwk"}, nil} { // a static device alone, or mail alone, is no way on
		in, ok := migrate.FromDjango(nil, in, true)
		require.True(t, ok)
		closes(t, in)
	}
	_, ok = migrate.FromDjango([]migrate.DjangoDevice{pending}, nil, false)
	require.False(t, ok)
}

// TestRun brings a whole table on each database, first dry; is cut off, and goes on; and is run again.
func TestRun(t *testing.T) {
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
			db, err := sql.Open(driver, dsn)
			require.NoError(t, err)
			defer db.Close()
			db.SetMaxOpenConns(1) // a page that held its connection would wait for ever
			store, err := sqlstore.New(db, dialect, sqlstore.Options{})
			require.NoError(t, err)
			require.NoError(t, store.Migrate(t.Context()))
			query := strings.Replace(migrate.Query, "500", "7", 1)
			if dialect == sqlstore.MySQL {
				query = strings.Replace(query, "$1", "?", 1)
			}
			count := table(t, db)
			var told atomic.Int64
			config := gatehouse.Config{
				Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
				Observer: event.ObserverFunc(func(context.Context, event.Event) { told.Add(1) }),
			}

			run := func(after string, store *gatehousetest.Store, dry bool) (*migrate.Report, string, string, error) {
				var lines, codes bytes.Buffer
				r := &migrate.Report{Lines: csv.NewWriter(&lines), Codes: csv.NewWriter(&codes), Counts: map[string]int{}}
				err := migrate.Run(t.Context(), db, query, after, store, config, dry, r)
				return r, lines.String(), codes.String(), err
			}
			under := gatehousetest.NewStore(store)
			r, dryLines, _, err := run("", under, true)
			require.NoError(t, err)
			require.Equal(t, map[string]int{"imported": 22, "partly": 1, "closed": 1}, r.Counts)
			require.Equal(t, count, strings.Count(dryLines, "\n"), "nobody is left out in silence")
			n, err := store.CountAccounts(t.Context(), "")
			require.NoError(t, err)
			require.Zero(t, n, "a dry run changes nothing")
			require.Zero(t, told.Load(), "and tells nobody")

			// It is cut off in its middle: the error says where to go on.
			under.Inject(func(method string) gatehousetest.Fault {
				if n, _ := store.CountAccounts(t.Context(), ""); method == "SaveAccount" && n == 10 {
					return gatehousetest.Fail
				}
				return gatehousetest.None
			})
			_, first, codes, err := run("", under, false)
			require.ErrorIs(t, err, gatehousetest.ErrFault)
			var after string
			_, scanned := fmt.Sscanf(err.Error(), "after %q", &after)
			require.NoError(t, scanned)
			under.Inject(nil)
			_, rest, more, err := run(after, under, false)
			require.NoError(t, err)
			require.Equal(t, dryLines, first+rest, "the dry run has said what was done")
			require.Equal(t, 1, strings.Count(codes+more, "\n"))

			r, _, codes, err = run("", under, false)
			require.NoError(t, err)
			require.Equal(t, map[string]int{"there": 22, "partly": 1, "closed": 1}, r.Counts)
			require.Empty(t, codes)
			require.NotZero(t, told.Load())

			// What cannot be read is told, and an account that was changed here is refused and left as it is.
			svc, err := gatehouse.New(store, config)
			require.NoError(t, err)
			_, err = svc.Operator("support").Reset(t.Context(), "user-05")
			require.NoError(t, err)
			r, lines, _, err := run("user-04", under, false)
			require.NoError(t, err)
			require.Equal(t, 1, r.Counts["refused"])
			require.Contains(t, lines, "user-05,refused,[],[],gatehouse: not possible")
			_, _, _, err = run("", under, false)
			require.NoError(t, err)
			if dialect == sqlstore.SQLite { // a page that ends in its middle is not the end of the table
				whole := query
				query = strings.Replace(query, "totp_secret,", "CASE id WHEN 'user-13' THEN abs(-9223372036854775807 - 1) ELSE totp_secret END,", 1)
				_, _, _, err = run("", under, false)
				require.ErrorContains(t, err, "integer overflow")
				query = whole
			}
			_, err = db.Exec("DROP TABLE users")
			require.NoError(t, err)
			_, _, _, err = run("", under, false)
			require.ErrorContains(t, err, `after "": `)
		})
	}
}

// table makes the old table, and returns how many of its users have two-factor.
func table(t *testing.T, db *sql.DB) int {
	t.Helper()
	_, err := db.Exec("CREATE TABLE users (id VARCHAR(40) PRIMARY KEY, totp_secret VARCHAR(200), totp_last_used BIGINT, recovery_codes VARCHAR(2000))")
	require.NoError(t, err)
	for i := range 30 {
		secret, codes, used := "'"+totp.GenerateSecret().Reveal()+"'", "NULL", "NULL"
		switch {
		case i%5 == 4:
			secret = "NULL" // no two-factor
		case i == 10:
			secret = "'sms'"
		case i == 11:
			codes = "'$2a$04$l1AS1qsFpT3u9rii.1Ya2.aCp4EpSu6E8tlgapciUwsbvQPpxduPy md5:900150983cd24fb0d6963f7d28e17f72'"
		case i == 12:
			codes, used = "'$2a$04$l1AS1qsFpT3u9rii.1Ya2.aCp4EpSu6E8tlgapciUwsbvQPpxduPy'", "1893499200"
			used = fmt.Sprint(time.Now().Unix())
		}
		_, err := db.Exec(fmt.Sprintf("INSERT INTO users VALUES ('user-%02d', %s, %s, %s)", i, secret, used, codes))
		require.NoError(t, err)
	}
	return 24
}

func TestUser(t *testing.T) {
	used := gatehousetest.Start.Add(20 * time.Second)
	in := migrate.User{ID: "ada", Secret: "gezd gnbv gy3t qojq gezd gnbv gy3t qojq", LastUsed: sql.NullInt64{Int64: used.Unix(), Valid: true}}.Import()
	svc, _ := bring(t, in)
	svc.Wait(30 * time.Second)
	code := func() string { return phone(t, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", pquerna.ValidateOpts{}, svc.Now()) }
	require.False(t, signsIn(t, svc, code()), "it may have been used a step early")
	svc.Wait(30 * time.Second)
	require.True(t, signsIn(t, svc, code()))
}

// A report that cannot be written ends the run, and a code that is lost is named.
func TestReportFails(t *testing.T) {
	_, result := bring(t, gatehouse.Import{Close: true})
	r := migrate.Report{Lines: csv.NewWriter(full{}), Codes: csv.NewWriter(full{}), Counts: map[string]int{}}
	require.EqualError(t, r.Add("ada", result, nil), `"ada" is closed and its code is lost, reset it: disk full`)
	r.Codes = csv.NewWriter(&bytes.Buffer{})
	require.EqualError(t, r.Add("ada", result, nil), "disk full")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }
