package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"
)

// connections is how many connections to its database each server keeps.
const connections = 16

// settings are what a server is started with.
type settings struct {
	driver, dsn string
	accounts    int
	tokens      string // the file that gets tokens, one a line
}

// servers are what can be measured, but for better-auth, which is a program of its own.
var servers = map[string]func(context.Context, *sql.DB, settings) (http.Handler, error){
	"gatehouse": newGatehouse,
	"bare":      newBare,
	"authboss":  newAuthboss,
}

// serve makes the accounts, says where it listens, and serves until ctx ends.
func serve(ctx context.Context, name string, s settings, out io.Writer) error {
	handler, database, err := start(ctx, name, s)
	if err != nil {
		return err
	}
	defer database.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s\n", l.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// start connects to the database and makes the accounts.
func start(ctx context.Context, name string, s settings) (http.Handler, io.Closer, error) {
	newServer, ok := servers[name]
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("no server %q", name)
	case s.driver == "etcd" && name != "gatehouse":
		return nil, nil, fmt.Errorf("%s cannot use etcd", name)
	case s.driver == "etcd":
		return newOnEtcd(ctx, s)
	}
	db, err := sql.Open(s.driver, s.dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	handler, err := newServer(ctx, db, s)
	return handler, db, err
}

// host is what a service has besides two-factor: users with passwords, and sessions, one row for each.
type host struct {
	db       *sql.DB
	numbered bool // parameters are $1, $2, … instead of ?
}

func newHost(ctx context.Context, db *sql.DB, s settings) (*host, error) {
	h := &host{db: db, numbered: s.driver == "pgx"}
	for _, statement := range []string{
		"CREATE TABLE users (id VARCHAR(64) PRIMARY KEY, password VARCHAR(64) NOT NULL)",
		"CREATE TABLE sessions (id VARCHAR(64) PRIMARY KEY, account VARCHAR(64) NOT NULL)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	return h, h.fill(ctx, s.accounts, "users", "id, password", func(account string) []any {
		return []any{account, passwordHash(password)}
	})
}

// fill makes a row for each account.
func (h *host) fill(ctx context.Context, accounts int, table, columns string, row func(account string) []any) error {
	const chunk = 500
	width := strings.Count(columns, ",") + 1
	for from := 0; from < accounts; from += chunk {
		n := min(chunk, accounts-from)
		args := make([]any, 0, n*width)
		for i := range n {
			args = append(args, row(accountID(from+i))...)
		}
		marks := "(" + strings.Repeat("?, ", width-1) + "?)"
		statement := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Repeat(marks+", ", n-1) + marks
		if _, err := h.db.ExecContext(ctx, h.text(statement), args...); err != nil {
			return err
		}
	}
	return nil
}

// text writes a statement's parameters as the database has them.
func (h *host) text(statement string) string {
	if !h.numbered {
		return statement
	}
	parts := strings.Split(statement, "?")
	for i := range parts[1:] {
		parts[i] += fmt.Sprint("$", i+1)
	}
	return strings.Join(parts, "")
}

func (h *host) prepare(ctx context.Context, statement string) (*sql.Stmt, error) {
	return h.db.PrepareContext(ctx, h.text(statement))
}

// rows are the host's users, by account, and sessions, by id.
type rows interface {
	password(ctx context.Context, account string) (hash string, err error)
	begin(ctx context.Context, id, account string) error
	find(ctx context.Context, id string) (account string, err error)
	end(ctx context.Context, id string) error
}

// statements are the host's own on an SQL database, prepared.
type statements struct{ user, insert, one, remove *sql.Stmt }

func (h *host) sessions(ctx context.Context) (s sessions, err error) {
	var st statements
	for text, to := range map[string]**sql.Stmt{
		"SELECT password FROM users WHERE id = ?":          &st.user,
		"INSERT INTO sessions (id, account) VALUES (?, ?)": &st.insert,
		"SELECT account FROM sessions WHERE id = ?":        &st.one,
		"DELETE FROM sessions WHERE id = ?":                &st.remove,
	} {
		if *to, err = h.prepare(ctx, text); err != nil {
			return sessions{}, err
		}
	}
	return sessions{st}, nil
}

func (s statements) password(ctx context.Context, account string) (hash string, err error) {
	return hash, s.user.QueryRowContext(ctx, account).Scan(&hash)
}

func (s statements) begin(ctx context.Context, id, account string) error {
	_, err := s.insert.ExecContext(ctx, id, account)
	return err
}

func (s statements) find(ctx context.Context, id string) (account string, err error) {
	return account, s.one.QueryRowContext(ctx, id).Scan(&account)
}

func (s statements) end(ctx context.Context, id string) error {
	_, err := s.remove.ExecContext(ctx, id)
	return err
}

// sessions are those of the host's users.
type sessions struct{ rows rows }

func (s sessions) passwordIsRight(ctx context.Context, account, password string) (bool, error) {
	hash, err := s.rows.password(ctx, account)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(hash), []byte(passwordHash(password))) == 1, nil
}

const sessionCookie = "session"

func (s sessions) signIn(w http.ResponseWriter, r *http.Request, account string) error {
	id := rand.Text()
	if err := s.rows.begin(r.Context(), id, account); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return nil
}

func (s sessions) signOut(_ http.ResponseWriter, r *http.Request) error {
	c, err := r.Cookie(sessionCookie)
	if err == nil {
		err = s.rows.end(r.Context(), c.Value)
	}
	return err
}

// signedIn returns the account of a request's session, "" for nobody.
func (s sessions) signedIn(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	account, err := s.rows.find(r.Context(), c.Value)
	if err != nil {
		return ""
	}
	return account
}

// atOnce calls do for each of n numbers, by some goroutines, until one fails.
func atOnce(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	work := make(chan int)
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			for i := range work {
				if err := do(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var failed error
	for i := 0; i < n && failed == nil; {
		select {
		case work <- i:
			i++
		case failed = <-errs:
		}
	}
	close(work)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return failed
	}
}
