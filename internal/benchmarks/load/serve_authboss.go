package main

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	gorilla "github.com/gorilla/sessions"
	"github.com/volatiletech/authboss/v3"
	_ "github.com/volatiletech/authboss/v3/auth"
	"github.com/volatiletech/authboss/v3/defaults"
	_ "github.com/volatiletech/authboss/v3/lock"
	"github.com/volatiletech/authboss/v3/otp/twofactor/totp2fa"
)

// newAuthboss is authboss with its modules auth, lock and totp2fa, codes for one use (UserOneTime), a sealed cookie as
// its session, and one row for each user, which is loaded and saved whole as its storers do. Its log goes nowhere.
func newAuthboss(ctx context.Context, db *sql.DB, s settings) (http.Handler, error) {
	h := &host{db: db, numbered: s.driver == "pgx"}
	if _, err := db.ExecContext(ctx, "CREATE TABLE people (id VARCHAR(64) PRIMARY KEY, password VARCHAR(64) NOT NULL, email VARCHAR(100) NOT NULL,"+
		" secret VARCHAR(64) NOT NULL, last_code VARCHAR(16) NOT NULL, codes VARCHAR(2000) NOT NULL, attempts INTEGER NOT NULL,"+
		" last_attempt BIGINT NOT NULL, locked BIGINT NOT NULL)"); err != nil {
		return nil, err
	}
	if err := h.fill(ctx, s.accounts, "people", "id, password, email, secret, last_code, codes, attempts, last_attempt, locked", func(account string) []any {
		return []any{account, passwordHash(password), email(account), secretText(account), "", "", 0, 0, 0}
	}); err != nil {
		return nil, err
	}
	store := new(people)
	var err error
	if store.load, err = h.prepare(ctx, "SELECT password, email, secret, last_code, codes, attempts, last_attempt, locked FROM people WHERE id = ?"); err != nil {
		return nil, err
	}
	if store.save, err = h.prepare(ctx, "UPDATE people SET password = ?, email = ?, secret = ?, last_code = ?, codes = ?, attempts = ?,"+
		" last_attempt = ?, locked = ? WHERE id = ?"); err != nil {
		return nil, err
	}
	ab := authboss.New()
	ab.Config.Core.ViewRenderer = defaults.JSONRenderer{}
	defaults.SetCore(&ab.Config, false, true)
	quiet := defaults.NewLogger(io.Discard)
	ab.Config.Core.Logger, ab.Config.Core.ErrorHandler = quiet, defaults.NewErrorHandler(quiet)
	ab.Config.Core.Hasher = plainHash{}
	ab.Config.Paths.Mount, ab.Config.Paths.AuthLoginOK = "/auth", "/me"
	ab.Config.Modules.TOTP2FAIssuer = "Acme"
	ab.Config.Storage.Server = store
	cookies := gorilla.NewCookieStore(securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(32))
	ab.Config.Storage.SessionState = state{cookies}
	if err := ab.Init(); err != nil {
		return nil, err
	}
	if err := (&totp2fa.TOTP{Authboss: ab}).Setup(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", ab.Config.Core.Router))
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		if user, err := ab.CurrentUser(r); err == nil && authboss.IsTwoFactored(r) {
			_, _ = io.WriteString(w, user.GetPID())
		}
	})
	return ab.LoadClientStateMiddleware(mux), nil
}

// plainHash compares with the hash that all servers keep.
type plainHash struct{}

func (plainHash) GenerateHash(password string) (string, error) { return passwordHash(password), nil }

func (plainHash) CompareHashAndPassword(hash, password string) error {
	if subtle.ConstantTimeCompare([]byte(hash), []byte(passwordHash(password))) != 1 {
		return errors.New("wrong password")
	}
	return nil
}

// people is a storer of authboss.
type people struct{ load, save *sql.Stmt }

func (p *people) Load(ctx context.Context, id string) (authboss.User, error) {
	u := &person{id: id}
	var lastAttempt, locked int64
	err := p.load.QueryRowContext(ctx, id).Scan(&u.password, &u.email, &u.secret, &u.lastCode, &u.codes, &u.attempts, &lastAttempt, &locked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, authboss.ErrUserNotFound
	}
	u.lastAttempt, u.locked = time.UnixMicro(lastAttempt), time.UnixMicro(locked)
	return u, err
}

func (p *people) Save(ctx context.Context, user authboss.User) error {
	u := user.(*person)
	_, err := p.save.ExecContext(ctx, u.password, u.email, u.secret, u.lastCode, u.codes, u.attempts, u.lastAttempt.UnixMicro(), u.locked.UnixMicro(), u.id)
	return err
}

// person is a user of authboss, with what its three modules ask for.
type person struct {
	id, password, email, secret, lastCode, codes string
	attempts                                     int
	lastAttempt, locked                          time.Time
}

func (u *person) GetPID() string              { return u.id }
func (u *person) PutPID(id string)            { u.id = id }
func (u *person) GetPassword() string         { return u.password }
func (u *person) PutPassword(password string) { u.password = password }
func (u *person) GetEmail() string            { return u.email }
func (u *person) PutEmail(email string)       { u.email = email }
func (u *person) GetRecoveryCodes() string    { return u.codes }
func (u *person) PutRecoveryCodes(s string)   { u.codes = s }
func (u *person) GetTOTPSecretKey() string    { return u.secret }
func (u *person) PutTOTPSecretKey(s string)   { u.secret = s }
func (u *person) GetTOTPLastCode() string     { return u.lastCode }
func (u *person) PutTOTPLastCode(s string)    { u.lastCode = s }
func (u *person) GetAttemptCount() int        { return u.attempts }
func (u *person) PutAttemptCount(n int)       { u.attempts = n }
func (u *person) GetLastAttempt() time.Time   { return u.lastAttempt }
func (u *person) PutLastAttempt(t time.Time)  { u.lastAttempt = t }
func (u *person) GetLocked() time.Time        { return u.locked }
func (u *person) PutLocked(t time.Time)       { u.locked = t }

var _ totp2fa.UserOneTime = (*person)(nil)

// state keeps authboss's session in a sealed cookie.
type state struct{ store gorilla.Store }

type values map[any]any

func (v values) Get(key string) (string, bool) {
	text, ok := v[key].(string)
	return text, ok
}

func (s state) ReadState(r *http.Request) (authboss.ClientState, error) {
	session, err := s.store.Get(r, "authboss")
	if err != nil {
		return nil, nil // a cookie that is not ours is none
	}
	return request{values(session.Values), r}, nil
}

// request is a state with the request that it was read from, which WriteState needs and is not given.
type request struct {
	values
	r *http.Request
}

func (s state) WriteState(w http.ResponseWriter, old authboss.ClientState, events []authboss.ClientStateEvent) error {
	in, ok := old.(request)
	if !ok {
		return errors.New("no session was read")
	}
	session, err := s.store.Get(in.r, "authboss")
	if err != nil {
		return err
	}
	for _, e := range events {
		switch e.Kind {
		case authboss.ClientStateEventPut:
			session.Values[e.Key] = e.Value
		case authboss.ClientStateEventDel:
			delete(session.Values, e.Key)
		case authboss.ClientStateEventDelAll:
			clear(session.Values)
		}
	}
	return session.Save(in.r, w)
}
