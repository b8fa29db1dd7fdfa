package dbtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Bouncer starts a PgBouncer in transaction mode before a PostgreSQL server, for one test, and returns the DSN of a
// database through it. As each transaction may have another of its four sessions, whatever is kept in a session is not
// there for the next one.
func (s *Server) Bouncer(t testing.TB, dsn string) string {
	t.Helper()
	need(t, "pgbouncer", "pgbouncer")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p, port, err := newProcess("bouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		os.RemoveAll(p.dir)
	})
	password, _ := u.User.Password()
	users, config := filepath.Join(p.dir, "users"), filepath.Join(p.dir, "ini")
	for path, text := range map[string]string{
		users: strconv.Quote(u.User.Username()) + " " + strconv.Quote(password) + "\n",
		config: fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
			"unix_socket_dir =\nauth_type = trust\nauth_file = %s\npool_mode = transaction\ndefault_pool_size = 4\n"+
			"max_client_conn = 200\n", u.Hostname(), u.Port(), port, users),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.args = []string{"pgbouncer", config}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := p.ready(func() error {
		c, err := net.Dial("tcp", u.Host)
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return u.String()
}
