package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// watched is a connector whose connections tell of each statement that is sent without being
// prepared: before it is, and after. If either tells of an error, the connection is cut, unless it is an answer of MySQL's.
type watched struct {
	driver.Connector
	before, after func(statement string) error
}

// watch opens a handle of that kind.
func (d database) watch(t testing.TB, before, after func(string) error) *sql.DB {
	t.Helper()
	plain, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { plain.Close() })
	db := sql.OpenDB(&watched{&beginning{driver: plain.Driver(), dsn: d.dsn}, before, after})
	t.Cleanup(func() { db.Close() })
	return db
}

func (w *watched) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: c, w: w}, nil
}

type watchedConn struct {
	driver.Conn
	w   *watched
	cut bool
}

func (c *watchedConn) tell(f func(string) error, statement string) error {
	if c.cut {
		return driver.ErrBadConn
	}
	err := f(statement)
	if answer := (*mysql.MySQLError)(nil); err != nil && !errors.As(err, &answer) {
		c.cut = true
		c.Conn.Close()
	}
	return err
}

func (c *watchedConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.tell(c.w.before, statement); err != nil {
		return nil, err
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, statement, args)
	if err != nil {
		return nil, err
	}
	return result, c.tell(c.w.after, statement)
}

func (c *watchedConn) QueryContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Rows, error) {
	if c.cut {
		return nil, driver.ErrBadConn
	}
	if q, ok := c.Conn.(driver.QueryerContext); ok {
		return q.QueryContext(ctx, statement, args)
	}
	return nil, driver.ErrSkip
}

func (c *watchedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c *watchedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *watchedConn) IsValid() bool { return !c.cut }

// proxy passes the bytes of connections on to a server, and the replies back until it is to lose
// them.
type proxy struct {
	address string
	lose    atomic.Bool // cut a connection at the next reply instead of passing it back
}

// pinged is PostgreSQL's answer to pgx asking whether the connection is alive. To lose that one
// would prove nothing.
var pinged = []byte("I\x00\x00\x00\x04Z\x00\x00\x00\x05I")

// behindProxy returns the database behind a proxy.
func (d database) behindProxy(t *testing.T) (database, *proxy) {
	t.Helper()
	var address string
	if d.driver == "mysql" {
		config, err := mysql.ParseDSN(d.dsn)
		require.NoError(t, err)
		address = config.Addr
	} else {
		u, err := url.Parse(d.dsn)
		require.NoError(t, err)
		address = u.Host
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{address: address}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.pass(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})

	if d.driver == "mysql" {
		config, _ := mysql.ParseDSN(d.dsn)
		config.Addr = l.Addr().String()
		d.dsn = config.FormatDSN()
	} else {
		u, _ := url.Parse(d.dsn)
		u.Host = l.Addr().String()
		d.dsn = u.String()
	}
	return d, p
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil || p.lose.Load() && !bytes.Equal(buf[:n], pinged) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

var errCut = errors.New("the test cut the connection")
