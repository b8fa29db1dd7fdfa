package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/mail"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/gatehouse-go/gatehouse"
)

const userTables = `
CREATE TABLE IF NOT EXISTS users (
	id       TEXT PRIMARY KEY,           -- random: it never changes and never comes back
	email    TEXT NOT NULL UNIQUE,       -- in lower case
	password TEXT NOT NULL,              -- its Argon2id hash
	verified INTEGER NOT NULL DEFAULT 0, -- whether mail to the address has reached the owner
	plan     TEXT NOT NULL DEFAULT 'free',
	created  INTEGER NOT NULL            -- in Unix seconds, as all times here
) STRICT;
CREATE TABLE IF NOT EXISTS guesses (
	email    TEXT PRIMARY KEY, -- also where nobody has it; a real service clears those from time to time
	failures INTEGER NOT NULL, -- wrong passwords in a row, and those that are being checked
	retry_at INTEGER NOT NULL
) STRICT;`

// hashing is the cost of a password: OWASP's first choice for Argon2id.
var hashing = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

const (
	// NIST SP 800-63B-4 §3.1.1.2 asks for 15 characters where the password alone signs in, as it does until a
	// second factor is there, and for nothing about which characters they are. It asks for a list of passwords
	// that have leaked, too, which this program does not have.
	minPassword = 15
	maxPassword = 200

	freeGuesses = 10
	// Of the next guesses each waits twice as long as the one before: from 30 s up to a day.
	firstWait = 30
	longest   = 24 * 60 * 60
	// §3.2.2 allows 100 wrong ones in a row. A real service then has its owner set another password, with a link
	// in a mail, which is a first factor and no more: the second step stays.
	allGuesses = 100
)

// wrong is what is wrong with a form, for who has sent it.
type wrong string

func (w wrong) Error() string { return string(w) }

const (
	errEmail    = wrong("That is no e-mail address that can be used here.")
	errPassword = wrong("A password has 15 to 200 characters. Four or five words in a row make a good one.")
	errTaken    = wrong("There is an account with this e-mail address. Sign in instead.")
)

// user is an account as the service itself knows it.
type user struct {
	id, email, plan string
	verified        bool
	created         time.Time
}

type users struct {
	db  *sql.DB
	now func() time.Time
	// slots bounds how many hashes are computed at once: each takes 19 MiB, so without it the sign-in form is a
	// way to use up all memory.
	slots chan struct{}
	// nobody is compared with where there is no account, so that time does not tell which addresses have one.
	nobody string
}

func newUsers(ctx context.Context, db *sql.DB, now func() time.Time) (*users, error) {
	if _, err := db.ExecContext(ctx, userTables); err != nil {
		return nil, err
	}
	nobody, err := argon2id.CreateHash(rand.Text(), hashing)
	return &users{db: db, now: now, slots: make(chan struct{}, runtime.NumCPU()), nobody: nobody}, err
}

// create makes an account.
func (u *users) create(ctx context.Context, email, password string) (user, error) {
	email, err := address(email)
	if err != nil {
		return user{}, err
	}
	hash, err := u.hash(ctx, password)
	if err != nil {
		return user{}, err
	}
	made := user{id: rand.Text(), email: email, plan: "free", created: u.now()}
	result, err := u.db.ExecContext(ctx, `INSERT INTO users (id, email, password, created) VALUES (?, ?, ?, ?) ON CONFLICT (email) DO NOTHING`,
		made.id, made.email, hash, made.created.Unix())
	if err != nil {
		return user{}, err
	}
	if n, err := result.RowsAffected(); err != nil {
		return user{}, err
	} else if n == 0 {
		// This tells who has an account here. A service that must not tell answers everybody alike, and mails.
		return user{}, errTaken
	}
	return made, u.forgive(ctx, email)
}

// setPassword gives an account another password.
func (u *users) setPassword(ctx context.Context, id, password string) error {
	hash, err := u.hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = u.db.ExecContext(ctx, `UPDATE users SET password = ? WHERE id = ?`, hash, id)
	return err
}

// hash returns what is stored of a new password.
func (u *users) hash(ctx context.Context, password string) (string, error) {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return "", errPassword
	}
	release, err := u.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return argon2id.CreateHash(password, hashing)
}

// address returns an e-mail address as it is stored.
func address(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	// What the authenticator app shows has 100 bytes and no colon (gatehouse.Enrol.Label).
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || len(text) > 100 || strings.ContainsAny(text, ":\"") {
		return "", errEmail
	}
	return text, nil
}

// check returns the account of an e-mail address, if the password is right. Else it is a *gatehouse.DeniedError,
// the same whether there is such an account or not.
func (u *users) check(ctx context.Context, email, password string) (user, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > 100 || utf8.RuneCountInString(password) > maxPassword {
		return user{}, &gatehouse.DeniedError{} // they cannot be anybody's
	}
	// The guess is counted before it is looked at: of many that come at once no more are answered than allowed.
	if err := u.count(ctx, email); err != nil {
		return user{}, err
	}
	found, hash, err := scan(u.db.QueryRowContext(ctx, selectUser+`email = ?`, email))
	if err != nil {
		return user{}, err
	}
	if found.id == "" {
		hash = u.nobody
	}
	release, err := u.slot(ctx)
	if err != nil {
		return user{}, err
	}
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	release()
	switch {
	case err != nil:
		return user{}, err
	case !match || found.id == "":
		return user{}, &gatehouse.DeniedError{}
	}
	return found, u.forgive(ctx, email)
}

// count takes one guess of those that are left for an address, or returns a *gatehouse.DeniedError.
func (u *users) count(ctx context.Context, email string) error {
	now := u.now().Unix()
	result, err := u.db.ExecContext(ctx, `
		INSERT INTO guesses (email, failures, retry_at) VALUES (?1, 1, 0)
		ON CONFLICT (email) DO UPDATE SET failures = failures + 1,
			retry_at = CASE WHEN failures + 1 < ?3 THEN 0 ELSE ?2 + min(?5, ?4 << min(failures + 1 - ?3, 20)) END
		WHERE retry_at <= ?2 AND failures < ?6`, email, now, freeGuesses, firstWait, longest, allGuesses)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var failures, retryAt int64
	err = u.db.QueryRowContext(ctx, `SELECT failures, retry_at FROM guesses WHERE email = ?`, email).Scan(&failures, &retryAt)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows): // none is there where a right one has come in between
		return err
	case failures >= allGuesses:
		return &gatehouse.DeniedError{Disabled: true}
	}
	return &gatehouse.DeniedError{RetryAt: time.Unix(retryAt, 0)}
}

// forgive ends the count of an address, as the password was right.
func (u *users) forgive(ctx context.Context, email string) error {
	_, err := u.db.ExecContext(ctx, `DELETE FROM guesses WHERE email = ?`, email)
	return err
}

func (u *users) slot(ctx context.Context) (release func(), err error) {
	select {
	case u.slots <- struct{}{}:
		return func() { <-u.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const selectUser = `SELECT id, email, password, verified, plan, created FROM users WHERE `

// scan reads an account with the hash of its password; one that is not there has no ID.
func scan(row *sql.Row) (found user, hash string, err error) {
	var created int64
	err = row.Scan(&found.id, &found.email, &hash, &found.verified, &found.plan, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, "", nil
	}
	found.created = time.Unix(created, 0)
	return found, hash, err
}

// byID returns an account; one that is not there has no ID.
func (u *users) byID(ctx context.Context, id string) (user, error) {
	found, _, err := scan(u.db.QueryRowContext(ctx, selectUser+`id = ?`, id))
	return found, err
}

// setVerified notes that mail to the address has reached the owner.
func (u *users) setVerified(ctx context.Context, id string) error {
	_, err := u.db.ExecContext(ctx, `UPDATE users SET verified = 1 WHERE id = ?`, id)
	return err
}
