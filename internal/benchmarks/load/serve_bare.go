package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// bare is what a service writes for itself around pquerna/otp: a row with the secret and the step of the last code, which
// one conditional UPDATE moves forward. It seals no secret, counts no failures, records nothing and has no other factor.
type bare struct {
	sessions
	load, save *sql.Stmt
	key        []byte // of the cookie between the two steps
}

func newBare(ctx context.Context, db *sql.DB, s settings) (http.Handler, error) {
	h, err := newHost(ctx, db, s)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE apps (account VARCHAR(64) PRIMARY KEY, secret VARCHAR(64) NOT NULL, last_step BIGINT NOT NULL)"); err != nil {
		return nil, err
	}
	if err := h.fill(ctx, s.accounts, "apps", "account, secret, last_step", func(account string) []any {
		return []any{account, secretText(account), 0}
	}); err != nil {
		return nil, err
	}
	b := &bare{key: []byte(rand.Text())}
	if b.sessions, err = h.sessions(ctx); err != nil {
		return nil, err
	}
	if b.load, err = h.prepare(ctx, "SELECT secret FROM apps WHERE account = ?"); err != nil {
		return nil, err
	}
	if b.save, err = h.prepare(ctx, "UPDATE apps SET last_step = ? WHERE account = ? AND last_step < ?"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, b.signedIn(r)) })
	mux.HandleFunc("POST /sign-in", b.first)
	mux.HandleFunc("POST /code", b.second)
	return mux, nil
}

func (b *bare) first(w http.ResponseWriter, r *http.Request) {
	account := r.FormValue("user")
	if right, err := b.passwordIsRight(r.Context(), account, r.FormValue("password")); err != nil || !right {
		http.Error(w, "wrong", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "pending", Value: account + "." + b.sign(account), Path: "/", HttpOnly: true})
	http.Redirect(w, r, "/code", http.StatusSeeOther)
}

func (b *bare) second(w http.ResponseWriter, r *http.Request) {
	account := b.pending(r)
	if account == "" || !b.accept(r, account, r.FormValue("code")) {
		http.Error(w, "wrong", http.StatusUnauthorized)
		return
	}
	if err := b.signIn(w, r, account); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/me", http.StatusSeeOther)
}

func (b *bare) sign(account string) string {
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(account))
	return hex.EncodeToString(mac.Sum(nil))
}

func (b *bare) pending(r *http.Request) string {
	c, err := r.Cookie("pending")
	if err != nil {
		return ""
	}
	account, mac, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(b.sign(account))) {
		return ""
	}
	return account
}

// accept reports whether a code is right and of a later step than all before.
func (b *bare) accept(r *http.Request, account, code string) bool {
	var secret string
	if b.load.QueryRowContext(r.Context(), account).Scan(&secret) != nil {
		return false
	}
	step := time.Now().Unix() / 30
	for _, step := range []int64{step, step - 1, step + 1} {
		ok, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil || !ok {
			continue
		}
		result, err := b.save.ExecContext(r.Context(), step, account, step)
		if err != nil {
			return false
		}
		n, err := result.RowsAffected()
		return err == nil && n == 1
	}
	return false
}
