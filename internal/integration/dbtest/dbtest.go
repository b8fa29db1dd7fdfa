// Package dbtest gives tests real databases: [Postgres] and [MySQL] start a server from the
// programs of this machine, one of each for a test binary, and [Server.Database] makes a database on
// it for one test. The tests' TestMain is
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
//
// A server listens on a free port of 127.0.0.1, keeps its files in a temporary directory, in memory
// where there is room, and ends with the tests, also when they panic or are killed. The environment
// variables GATEHOUSE_TEST_POSTGRES (a URL) and GATEHOUSE_TEST_MYSQL (a DSN of go-sql-driver/mysql)
// name a server to use instead, where the user may create databases.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "github.com/ncruces/go-sqlite3/driver"
)

// Server is a database server.
type Server struct {
	driver  string
	dsn     func(database string) string
	process *process // nil for a server that was given
}

var (
	postgres = sync.OnceValues(func() (*Server, error) { return start("GATEHOUSE_TEST_POSTGRES", givenPostgres, startPostgres) })
	maria    = sync.OnceValues(func() (*Server, error) { return start("GATEHOUSE_TEST_MYSQL", givenMySQL, startMariaDB) })

	mu       sync.Mutex
	launched []*process
)

// Else the driver logs each connection that a test has cut.
func init() { mysql.SetLogger(&mysql.NopLogger{}) }

// Main runs the tests of a binary and then stops the servers they started.
func Main(m *testing.M) int {
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range launched {
			p.stop()
			os.RemoveAll(p.dir)
		}
	}()
	return m.Run()
}

// Postgres returns the PostgreSQL server of this test binary. Where there is no program to start,
// the test is skipped, or fails where GATEHOUSE_REQUIRE is set.
func Postgres(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("GATEHOUSE_TEST_POSTGRES") == "" {
		need(t, "postgresql", "postgres", "initdb")
	}
	return must(t, postgres)
}

// MySQL returns the MySQL or MariaDB server of this test binary, as Postgres does. The one that is
// started is MariaDB, with a default collation that ignores case.
func MySQL(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("GATEHOUSE_TEST_MYSQL") == "" {
		need(t, "mariadb-server", "mariadbd", "mariadb-install-db")
	}
	return must(t, maria)
}

// SQLite returns the DSN of a new file, with the settings that package sqlstore advises.
func SQLite(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent(), "gatehouse-lite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "file:" + filepath.Join(dir, "test.db") +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)"
}

// Driver is the name of the server's driver, for sql.Open.
func (s *Server) Driver() string { return s.driver }

// PID is the ID of the server's first process, of which its others are children, or 0 if the server was given.
func (s *Server) PID() int {
	if s.process == nil {
		return 0
	}
	return s.process.cmd.Process.Pid
}

// Database makes a database for one test and returns its DSN. It is dropped after the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "g" + strings.ToLower(rand.Text()[:16])
	s.admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		force := ""
		if s.driver == "pgx" {
			force = " WITH (FORCE)"
		}
		s.admin(t, "DROP DATABASE IF EXISTS "+name+force)
	})
	return s.dsn(name)
}

func (s *Server) admin(t testing.TB, statement string) {
	t.Helper()
	db, err := sql.Open(s.driver, s.dsn(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Kill ends the server as a crash of its machine's system would end it, but for what the disk
// holds: all of its processes at once, by SIGKILL. It skips the test where the server was given.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Skip("the server is not ours to kill")
	}
	s.process.kill()
}

// Restart starts the server again on the same files and port, after Kill, and returns when it
// answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Skip("the server is not ours to restart")
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// run starts the server's process and waits until the server answers.
func (s *Server) run() error {
	if err := s.process.start(); err != nil {
		return err
	}
	db, err := sql.Open(s.driver, s.dsn(""))
	if err != nil {
		return err
	}
	defer db.Close()
	return s.process.ready(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return db.PingContext(ctx)
	})
}

func start(variable string, given func(string) (*Server, error), launch func() (*Server, error)) (*Server, error) {
	if dsn := os.Getenv(variable); dsn != "" {
		return given(dsn)
	}
	s, err := launch()
	if err != nil {
		return nil, err
	}
	mu.Lock()
	launched = append(launched, s.process)
	mu.Unlock()
	return s, s.run()
}

func must(t testing.TB, server func() (*Server, error)) *Server {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func givenPostgres(dsn string) (*Server, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	return &Server{driver: "pgx", dsn: func(database string) string {
		if database == "" {
			return dsn
		}
		own := *u
		own.Path = "/" + database
		return own.String()
	}}, nil
}

func givenMySQL(dsn string) (*Server, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return &Server{driver: "mysql", dsn: func(database string) string {
		own := config.Clone()
		own.DBName = database
		return own.FormatDSN()
	}}, nil
}
