package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/internal/secretfile"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func databaseFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "db", Usage: "`URL` of the database, without a password", Sources: cli.EnvVars("GATEHOUSE_DB")},
		&cli.StringFlag{Name: "db-password-file", Usage: "`FILE` with the password of the database, mode 0600"},
		&cli.StringFlag{Name: "schema", Usage: "`NAME` of the schema of the tables, where the service sets Options.Schema", Sources: cli.EnvVars("GATEHOUSE_SCHEMA")},
		&cli.StringFlag{Name: "prefix", Usage: "`TEXT` that the names of tables begin with, where the service sets Options.Prefix", Sources: cli.EnvVars("GATEHOUSE_PREFIX")},
	}
}

const wherePasswordsGo = "other users of this machine can read arguments: put the URL into GATEHOUSE_DB, or the password into GATEHOUSE_DB_PASSWORD or the file of -db-password-file"

// database is one that was asked for.
type database struct {
	*sql.DB
	dialect sqlstore.Dialect
	options sqlstore.Options
	user    string // "" for SQLite
	address string // for errors: host and port, or the path
	local   bool   // the connection does not leave this machine
	hide    string // the password
}

// parseDatabase reads the URL and opens a handle, without talking to the database. create says that a file of
// SQLite may be made.
func parseDatabase(c *cli.Command, create bool) (*database, error) {
	text := c.String("db")
	if text == "" {
		return nil, usagef("no database: give -db or set GATEHOUSE_DB")
	}
	d := &database{options: sqlstore.Options{Schema: c.String("schema"), Prefix: c.String("prefix")}}
	var err error
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		err = d.sqlite(path, create)
	} else {
		err = d.server(c, text)
	}
	if err != nil {
		return nil, err
	}
	d.SetMaxOpenConns(4)
	return d, nil
}

func (d *database) sqlite(path string, create bool) error {
	d.dialect = sqlstore.SQLite
	path, query, _ := strings.Cut(path, "?")
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
	}
	params, err := url.ParseQuery(query)
	if err != nil || len(params) > 1 || len(params) == 1 && params.Get("mode") != "ro" {
		return usagef("-db: the only parameter of sqlite: is mode=ro")
	}
	mode := "rw"
	switch {
	case params.Has("mode"):
		mode = "ro"
	case create:
		mode = "rwc"
	}
	if path == "" {
		return usagef("-db: sqlite: needs a path")
	}
	if _, err := os.Stat(path); err != nil && mode != "rwc" {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no file %s", path)
		}
		return fmt.Errorf("cannot read the file %s", path)
	}
	if damaged(path) {
		return noDatabase(path)
	}
	d.address, d.local = path, true
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_pragma=busy_timeout(10000)&_pragma=synchronous(full)"
	if mode == "rwc" { // else the file's mode is the service's choice, and looking changes nothing
		dsn += "&_pragma=journal_mode(wal)"
	}
	d.DB, err = sql.Open("sqlite3", dsn)
	return err
}

// damaged reports whether a file begins as no database of SQLite does; one that is empty is none yet.
func damaged(path string) bool {
	const magic = "SQLite format 3\x00" // https://www.sqlite.org/fileformat.html, section 1.3
	f, err := os.Open(path)
	if err != nil {
		return false // which SQLite says better
	}
	defer f.Close()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	return n > 0 && (err != nil || string(head) != magic)
}

func noDatabase(path string) error {
	return fmt.Errorf("the file %s is no SQLite database, or is damaged", path)
}

func (d *database) server(c *cli.Command, text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return usagef("-db is not a URL") // whose text may hold a password
	}
	if err := d.password(c, u, inArguments(c)); err != nil {
		return err
	}
	if d.dialect, err = dialectOf(c); err != nil {
		return err
	}
	if d.dialect == sqlstore.MySQL {
		return d.mysql(u)
	}
	return d.postgres(u)
}

// dialectOf reads the kind of database off the URL.
func dialectOf(c *cli.Command) (sqlstore.Dialect, error) {
	scheme, _, _ := strings.Cut(c.String("db"), ":")
	switch scheme {
	case "postgres", "postgresql":
		return sqlstore.PostgreSQL, nil
	case "mysql", "mariadb":
		return sqlstore.MySQL, nil
	case "sqlite":
		return sqlstore.SQLite, nil
	}
	return "", usagef("-db: a URL begins with postgres://, mysql:// or sqlite:")
}

// inArguments reports whether -db is an argument, and not the environment.
func inArguments(c *cli.Command) bool {
	return slices.ContainsFunc(c.Root().Metadata["args"].([]string), func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		return name == "db" && strings.HasPrefix(arg, "-")
	})
}

// password finds the password of the database and puts it into the URL.
func (d *database) password(c *cli.Command, u *url.URL, argument bool) error {
	d.hide, _ = u.User.Password()
	query := u.Query()
	for name, values := range query {
		if strings.Contains(strings.ToLower(name), "pass") && !strings.EqualFold(name, "passfile") {
			d.hide = strings.Join(values, "")
		}
	}
	if d.hide != "" && argument {
		return usagef("-db has a password: %s", wherePasswordsGo)
	}
	given := os.Getenv("GATEHOUSE_DB_PASSWORD")
	if path := c.String("db-password-file"); path != "" {
		text, err := readSecret(path)
		if err != nil {
			return fmt.Errorf("-db-password-file: %w", err)
		}
		given = strings.TrimRight(text, "\r\n")
	}
	if given != "" {
		d.hide = given
		u.User = url.UserPassword(u.User.Username(), given)
	}
	d.user = u.User.Username()
	return nil
}

func (d *database) postgres(u *url.URL) error {
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return usagef("-db: PostgreSQL's driver does not understand the URL")
	}
	d.user = config.User
	d.address, d.local = fmt.Sprintf("%s:%d", config.Host, config.Port), isLocal(config.Host)
	if d.hide == "" {
		d.hide = config.Password // of PGPASSWORD or a password file
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	d.DB = stdlib.OpenDB(*config)
	return nil
}

// mysql makes a DSN of the driver's own form. The parameter socket names a Unix socket.
func (d *database) mysql(u *url.URL) error {
	network, address := "tcp", u.Host
	if u.Port() == "" {
		address += ":3306"
	}
	params := u.Query()
	if socket := params.Get("socket"); socket != "" {
		network, address = "unix", socket
		params.Del("socket")
	}
	dsn := fmt.Sprintf("%s(%s)/%s?%s", network, address, url.PathEscape(strings.TrimPrefix(u.Path, "/")), params.Encode())
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return usagef("-db: MySQL's driver does not understand the URL")
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = &mysql.NopLogger{}
	if config.Timeout == 0 {
		config.Timeout = connectTimeout
	}
	d.address, d.local = config.Addr, config.Net == "unix" || isLocal(u.Hostname())
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return usagef("-db: MySQL's driver does not understand the URL")
	}
	d.DB = sql.OpenDB(connector)
	return nil
}

const connectTimeout = 10 * time.Second

func isLocal(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "/") || host == ""
}

const maxSecret = 64 << 10 // bytes

// readSecret reads a file of which keyring.ReadFile would read the keys.
func readSecret(path string) (string, error) {
	text, err := secretfile.Read(path, maxSecret)
	var refused secretfile.Refused
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("%s: %s", path, refused)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s", path)
	case err != nil:
		return "", fmt.Errorf("cannot read %s", path)
	}
	return text, nil
}

// connect makes sure that the database answers.
func (d *database) connect(ctx context.Context) (*sqlstore.Store, error) {
	store, err := sqlstore.New(d.DB, d.dialect, d.options)
	if err != nil {
		return nil, usagef("-schema and -prefix are up to 24 of a to z, 0 to 9 and _, begin with a letter, and SQLite has no schema")
	}
	ping, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := d.PingContext(ping); err != nil {
		return nil, d.explain(ctx, err)
	}
	return store, nil
}
