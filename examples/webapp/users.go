package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/mail"
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
	mailed   TEXT NOT NULL DEFAULT '',   -- the code of the last mail that asks for that, until it is used
	project  TEXT NOT NULL UNIQUE,       -- the one that is the account's
	plan     TEXT NOT NULL DEFAULT 'free',
	factor   INTEGER NOT NULL DEFAULT 0, -- whether the account has a second factor, as this service has heard
	created  INTEGER NOT NULL            -- in Unix seconds, as all times here
) STRICT;
CREATE TABLE IF NOT EXISTS guesses (
	place    TEXT PRIMARY KEY, -- also of addresses that nobody has; a real service clears those from time to time
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
	// Of the next guesses each waits twice as long as the one before: from 30 s up to a quarter of an hour. Strangers
	// can make an owner wait by guessing, so a longer wait would serve them more than the owner. Who is signed in does
	// not wait for them: guesses inside a session are counted apart. The next step is device cookies, as OWASP
	// describes them: a browser that has signed in before gets a count of its own.
	firstWait = 30
	longest   = 15 * 60
	// §3.2.2 allows 100 wrong ones in a row, which strangers can get through in a day. A real service then has its
	// owner set another password, with a link in a mail, which is a first factor and no more: the second step stays.
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
	id, email, plan, project string
	hash                     string // of the password
	verified, mailed, factor bool
	created                  time.Time
}

type users struct {
	db     *sql.DB
	now    func() time.Time
	hashes queue
	// nobody is compared with where there is no account, so that time does not tell which addresses have one.
	nobody string
}

func newUsers(ctx context.Context, db *sql.DB, now func() time.Time) (*users, error) {
	if _, err := db.ExecContext(ctx, userTables); err != nil {
		return nil, err
	}
	nobody, err := argon2id.CreateHash(rand.Text(), hashing)
	return &users{db: db, now: now, hashes: newQueue(), nobody: nobody}, err
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
	made := user{id: rand.Text(), email: email, plan: "free", project: "anvil-" + strings.ToLower(rand.Text()[:8]), created: u.now()}
	done, err := u.change(ctx, `INSERT INTO users (id, email, password, project, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING`,
		made.id, made.email, hash, made.project, made.created.Unix())
	switch {
	case err != nil:
		return user{}, err
	case !done:
		// This tells who has an account here. A service that must not tell answers everybody alike, and mails.
		return user{}, errTaken
	}
	return made, u.forgive(ctx, outside(email))
}

// storePassword stores the hash of a new password. It refuses where the password is no longer the one that was checked.
func storePassword(ctx context.Context, tx *sql.Tx, checked user, hash string) error {
	done, err := changed(tx.ExecContext(ctx, `UPDATE users SET password = ? WHERE id = ? AND password = ?`, hash, checked.id, checked.hash))
	if err == nil && !done {
		return &gatehouse.DeniedError{}
	}
	return err
}

// change runs a statement, and reports whether it has changed anything.
func (u *users) change(ctx context.Context, statement string, args ...any) (bool, error) {
	return changed(u.db.ExecContext(ctx, statement, args...))
}

func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// hash returns what is stored of a new password.
func (u *users) hash(ctx context.Context, password string) (hash string, err error) {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return "", errPassword
	}
	err = u.hashes.run(ctx, func() (err error) {
		hash, err = argon2id.CreateHash(password, hashing)
		return err
	})
	return hash, err
}

// address returns an e-mail address as it is stored.
func address(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	// What the authenticator app shows has 100 bytes and no colon (gatehouse.EnrollmentRequest.Label).
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || len(text) > 100 || strings.ContainsAny(text, ":\"") {
		return "", errEmail
	}
	return text, nil
}

// Where guesses are counted: outside for who signs in with an address, and inside for who has a session.
func outside(email string) string { return "out:" + email }
func inside(id string) string     { return "in:" + id }

// check returns the account of an e-mail address, if the password is right. Else it is a *gatehouse.DeniedError,
// the same whether there is such an account or not.
//
// The password may have been changed by the time it returns, as a hash takes its time: call app.before first.
func (u *users) check(ctx context.Context, email, password string) (user, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > 100 {
		return user{}, &gatehouse.DeniedError{} // it cannot be anybody's
	}
	return u.guess(ctx, outside(email), password, `email = ?`, email)
}

// checkAgain is check inside a session. There it has a throttle too, or a stolen session would be a place to guess;
// but one of its own, or strangers who guess at the address would keep the owner from this, too.
func (u *users) checkAgain(ctx context.Context, id, password string) (user, error) {
	return u.guess(ctx, inside(id), password, `id = ?`, id)
}

func (u *users) guess(ctx context.Context, place, password, where string, arg any) (user, error) {
	if utf8.RuneCountInString(password) > maxPassword {
		return user{}, &gatehouse.DeniedError{} // it cannot be anybody's
	}
	// The guess is counted before it is looked at: of many that come at once no more are answered than allowed.
	if err := u.count(ctx, place); err != nil {
		return user{}, err
	}
	found, err := scan(u.db.QueryRowContext(ctx, selectUser+where, arg))
	if err != nil {
		return user{}, err
	}
	hash := found.hash
	if found.id == "" {
		hash = u.nobody
	}
	var match bool
	err = u.hashes.run(ctx, func() (err error) {
		match, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	switch {
	case err != nil:
		return user{}, err
	case !match || found.id == "":
		return user{}, &gatehouse.DeniedError{}
	}
	return found, u.forgive(ctx, place)
}

// count takes one guess of those that are left in a place, or returns a *gatehouse.DeniedError.
func (u *users) count(ctx context.Context, place string) error {
	now := u.now().Unix()
	counted, err := u.change(ctx, `
		INSERT INTO guesses (place, failures, retry_at) VALUES (?1, 1, 0)
		ON CONFLICT (place) DO UPDATE SET failures = failures + 1,
			retry_at = CASE WHEN failures + 1 < ?3 THEN 0 ELSE ?2 + min(?5, ?4 << min(failures + 1 - ?3, 20)) END
		WHERE retry_at <= ?2 AND failures < ?6`, place, now, freeGuesses, firstWait, longest, allGuesses)
	if err != nil || counted {
		return err
	}
	var failures, retryAt int64
	err = u.db.QueryRowContext(ctx, `SELECT failures, retry_at FROM guesses WHERE place = ?`, place).Scan(&failures, &retryAt)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows): // none is there where a right one has come in between
		return err
	case failures >= allGuesses:
		return &gatehouse.DeniedError{Disabled: true}
	}
	return &gatehouse.DeniedError{RetryAt: time.Unix(retryAt, 0)}
}

// forgive ends the count of a place, as the password was right.
func (u *users) forgive(ctx context.Context, place string) error {
	_, err := u.db.ExecContext(ctx, `DELETE FROM guesses WHERE place = ?`, place)
	return err
}

const selectUser = `SELECT id, email, password, verified, mailed <> '', factor, project, plan, created FROM users WHERE `

// scan reads an account; one that is not there has no ID.
func scan(row *sql.Row) (found user, err error) {
	var created int64
	err = row.Scan(&found.id, &found.email, &found.hash, &found.verified, &found.mailed, &found.factor, &found.project, &found.plan, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, nil
	}
	found.created = time.Unix(created, 0)
	return found, err
}

// byID returns an account; one that is not there has no ID.
func (u *users) byID(ctx context.Context, id string) (user, error) {
	return scan(u.db.QueryRowContext(ctx, selectUser+`id = ?`, id))
}

// byEmail returns the account of an e-mail address; one that is not there has no ID.
func (u *users) byEmail(ctx context.Context, email string) (user, error) {
	return scan(u.db.QueryRowContext(ctx, selectUser+`email = ?`, strings.ToLower(strings.TrimSpace(email))))
}

// setFactor notes whether an account has a second factor.
func (u *users) setFactor(ctx context.Context, id string, has bool) error {
	_, err := u.db.ExecContext(ctx, `UPDATE users SET factor = ? WHERE id = ?`, has, id)
	return err
}

// mailCode returns a code to be mailed to the address of an account, which ends the one before. It is long enough that
// nobody has to count guesses.
func (u *users) mailCode(ctx context.Context, id string) (string, error) {
	code := rand.Text()
	_, err := u.db.ExecContext(ctx, `UPDATE users SET mailed = ? WHERE id = ?`, code, id)
	return code, err
}

// verify notes that mail to the address has reached the owner, and reports whether the code is that of the last mail.
func (u *users) verify(ctx context.Context, id, code string) (bool, error) {
	return u.change(ctx, `UPDATE users SET verified = 1, mailed = '' WHERE id = ? AND mailed = ? AND mailed <> ''`, id, code)
}
