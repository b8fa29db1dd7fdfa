package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/gob"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

// signingInFor is longer than a challenge stands: who comes back with an operator's code pairs an authenticator
// before the sign-in is complete.
const signingInFor = 20 * time.Minute

func init() { gob.Register(visit{}) } // for scs

// visit is what a session keeps, on the server. The browser has nothing but a random ID.
type visit struct {
	Account, Email string
	// SignedIn is true once every step is done. A session that has passed the password alone is nobody's:
	// everything but the second step has to treat it so.
	SignedIn  bool
	Began     time.Time // when the password was right
	Challenge string    // of gatehouse.SignIn.Challenge, until SignedIn
	// Secret is random and stays the same through the change of IDs between the two steps: proofs are tied to
	// it. The session's ID would do for that only if it never changed.
	Secret string
	Proof  string
	// Version is that of the password by which the session was begun. The session ends when it is another one.
	Version string
}

// session is what Gatehouse has to know of a visit.
func (v visit) session() gatehouse.Session {
	return gatehouse.Session{Account: v.Account, Secret: v.Secret, Proof: gatehouse.ParseProof(v.Proof)}
}

func newSessions(ctx context.Context, db *sql.DB, https bool, log *slog.Logger) (*scs.SessionManager, error) {
	if _, err := db.ExecContext(ctx, sessionTable); err != nil {
		return nil, err
	}
	m := scs.New()
	m.Store = sessionStore{db}
	m.HashTokenInStore = true // so that a copy of the database is no key to the sessions in it
	m.Lifetime = 12 * time.Hour
	m.Cookie.Name = "session"
	m.Cookie.Persist = false // it ends with the browser
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	if https { // Strict-Transport-Security is for the proxy to send, which ends TLS for the whole host
		m.Cookie.Secure = true
		m.Cookie.Name = "__Host-session" // no other host of the domain can set one of this name
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.ErrorContext(r.Context(), "session", "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		w.(*finalWriter).final = true
	}
	return m, nil
}

// saved is LoadAndSave, where nothing follows the error page of a session that could not be saved. By itself scs would
// send the answer after it: recovery codes, say, of a change that this session then knows nothing of.
func (a *app) saved(next http.Handler) http.Handler {
	next = a.sessions.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&finalWriter{ResponseWriter: w}, r)
	})
}

// finalWriter drops what comes once final is set.
type finalWriter struct {
	http.ResponseWriter
	final bool
}

func (w *finalWriter) WriteHeader(status int) {
	if !w.final {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *finalWriter) Write(b []byte) (int, error) {
	if w.final {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// visit returns what the session of a request keeps; the zero visit if there is none.
func (a *app) visit(ctx context.Context) visit {
	v, _ := a.sessions.Get(ctx, "visit").(visit)
	return v
}

// begin has the session keep a visit under a new ID. Without a new one, whoever has planted theirs in the browser
// would be signed in too (session fixation).
func (a *app) begin(ctx context.Context, v visit) error {
	if err := a.sessions.RenewToken(ctx); err != nil {
		return err
	}
	a.sessions.Put(ctx, "visit", v)
	return nil
}

// current reports whether the password is still the one that a visit was begun with. This is the line that a copy gets
// wrong. PasswordChanged ends the proofs that there are, but a sign-in may have checked the old password before it and
// ask for a proof or a challenge after it; and a fault may come between the new password and PasswordChanged. The
// version changes in the very write that changes the password, so nothing comes in between.
func (a *app) current(ctx context.Context, v visit) (bool, error) {
	u, err := a.users.byID(ctx, v.Account)
	return u.id != "" && u.version == v.Version, err
}

// signedIn returns the visit of somebody who is completely signed in, and else the zero visit. The proof that the
// session keeps has to stand: so the sessions of an account end with everything that ends proofs, which is a change of
// factors in another session, an operator's reset, a suspension; and with another password, see current.
func (a *app) signedIn(ctx context.Context) (visit, error) {
	v := a.visit(ctx)
	if !v.SignedIn {
		return visit{}, nil
	}
	if same, err := a.current(ctx, v); err != nil || !same {
		return visit{}, err
	}
	_, err := a.svc.CheckProof(ctx, v.session(), 0)
	switch {
	case err == nil:
		return v, nil
	case !errors.Is(err, gatehouse.ErrStepUpRequired):
		return visit{}, err
	}
	// Who has come by a recovery code has a quarter of an hour to see to the authenticator.
	account, err := a.svc.Account(ctx, v.Account)
	if err != nil {
		return visit{}, err
	}
	if may, err := a.svc.Permissions(ctx, account, v.session()); err != nil || !may.Revoke {
		return visit{}, err
	}
	return v, nil
}

// pageSession is securitypage.Config.Session.
func (a *app) pageSession(r *http.Request) (securitypage.Session, error) {
	v, err := a.signedIn(r.Context())
	if err != nil {
		return securitypage.Session{}, err
	}
	if v.Account == "" {
		v = a.visit(r.Context())
		if v.SignedIn || v.Challenge == "" || a.now().Sub(v.Began) > signingInFor {
			return securitypage.Session{}, nil
		}
		if same, err := a.current(r.Context(), v); err != nil || !same {
			return securitypage.Session{}, err
		}
	}
	u, err := a.users.byID(r.Context(), v.Account)
	if err != nil {
		return securitypage.Session{}, err
	}
	return securitypage.Session{
		Session: v.session(), Label: v.Email, Challenge: v.Challenge, ExpectSecondFactor: u.factor,
		Keep: func(p gatehouse.Proof) error {
			v.Proof = p.Reveal()
			a.sessions.Put(r.Context(), "visit", v) // scs stores it before the first byte of the answer
			return nil
		},
	}, nil
}

// guardSession is httpguard.Config.Session. Who is still signing in has no proof that counts here. The handler behind
// each guard is a member's, which asks signedIn for the rest.
func (a *app) guardSession(r *http.Request) (gatehouse.Session, error) {
	v := a.visit(r.Context())
	if !v.SignedIn {
		return gatehouse.Session{}, nil
	}
	return v.session(), nil
}

// newVisit is the visit of somebody whose password was right just now.
func (a *app) newVisit(u user) visit {
	return visit{Account: u.id, Email: u.email, Version: u.version, Began: a.now(), Secret: rand.Text()}
}

// start signs somebody in whose account has no second factor.
func (a *app) start(ctx context.Context, try gatehouse.SignIn, u user) error {
	v := a.newVisit(u)
	proof, err := try.Vouch(ctx, v.session(), gatehouse.FirstFactor{Method: "pwd", At: v.Began})
	if err != nil {
		return err
	}
	v.Proof, v.SignedIn = proof.Reveal(), true
	return a.begin(ctx, v)
}

// signInDone is securitypage.Config.SignedIn: the second step is done.
func (a *app) signInDone(w http.ResponseWriter, r *http.Request, verified gatehouse.Verification) error {
	v := a.visit(r.Context())
	if v.Account != verified.Session.Account {
		return errors.New("the second step is not that of the session's account")
	}
	v.SignedIn, v.Challenge, v.Proof = true, "", verified.Session.Proof.Reveal()
	if err := a.begin(r.Context(), v); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
