package migrate

import (
	"context"
	"database/sql"
	"iter"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// User is a row of the old table that has two-factor: a secret in base32, the Unix time of the last code that was
// accepted, and hashes of recovery codes with spaces between.
type User struct {
	ID       string
	Secret   string
	LastUsed sql.NullInt64
	Codes    sql.NullString
}

// Query reads a page of users in the order of their IDs. PostgreSQL and SQLite number the parameter as $1, MySQL has "?".
const Query = `SELECT id, totp_secret, totp_last_used, recovery_codes FROM users
WHERE totp_secret IS NOT NULL AND id > $1 ORDER BY id LIMIT 500`

// Import is what Gatehouse takes of a user.
func (u User) Import() gatehouse.Import {
	secret, _, _ := totp.ParseImported(u.Secret) // the zero Secret if it is none: it is left out, and named in the result
	phone := gatehouse.ImportAuthenticator{Secret: secret, Name: "Phone"}
	if u.LastUsed.Valid {
		phone.LastStep = totp.Step(time.Unix(u.LastUsed.Int64, 0)) + 1 // the code may have been that of the next step
	}
	in := closing(gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{phone}})
	for hash := range strings.FieldsSeq(u.Codes.String) {
		in.RecoveryCodes = append(in.RecoveryCodes, recovery.ForeignHash(hash, 0))
	}
	return in
}

// closing has an account of which no authenticator can be brought closed, not left to its password alone.
func closing(in gatehouse.Import) gatehouse.Import {
	in.Close, in.CodeLife = true, 30*24*time.Hour
	return in
}

// users reads the table page by page, so that no connection is held while an account is imported: SQLite and a pool of
// one connection have no other.
func users(ctx context.Context, db *sql.DB, query, after string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for {
			page, err := readPage(ctx, db, query, after)
			if err != nil {
				yield(User{}, err)
				return
			}
			for _, u := range page {
				if after = u.ID; !yield(u, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

func readPage(ctx context.Context, db *sql.DB, query, after string) (page []User, err error) {
	rows, err := db.QueryContext(ctx, query, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u User
		if err := rows.Scan(&u.ID, &u.Secret, &u.LastUsed, &u.Codes); err != nil {
			return nil, err
		}
		page = append(page, u)
	}
	return page, rows.Err()
}
