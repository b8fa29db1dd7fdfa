//go:build linux && !race

package cluster_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestGalera is for MariaDB on three nodes that all take saves. Each worker uses the node next to it.
func TestGalera(t *testing.T) { testCluster(t, "galera") }

type galera struct{}

func (galera) programs() []string {
	return []string{"mariadbd", "mariadb-server", "mariadb-install-db", "mariadb-server", "wsrep_sst_rsync", "mariadb-server", "rsync", "rsync"}
}

func (galera) disk() int      { return 192 }
func (galera) logs() []string { return []string{"mariadb"} }

func (galera) now(ctx context.Context, c *cluster, node int) (time.Time, error) {
	db, err := sql.Open("mysql", fmt.Sprintf("gatehouse@tcp(%s:3306)/gatehouse?timeout=1s", c.nodes[node].ip))
	if err != nil {
		return time.Time{}, err
	}
	defer db.Close()
	var seconds int64
	err = db.QueryRowContext(ctx, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE()) AS INTEGER)").Scan(&seconds)
	return time.Unix(seconds, 0), err
}

func (galera) stale(fault) bool { return false }

// survives: a node whose disk is full waits for room for its binary log, and the others wait for the node (flow control).
func (galera) survives(f fault) bool { return f != full }

// provider is where Debian has it.
const provider = "/usr/lib/galera/libgalera_smm.so"

// serve starts the server as Debian's unit for systemd does: it looks how far the data have come, so that a node that
// comes back asks the others for no more than it lacks. The first node makes a cluster once.
const serve = `
data=$1 bootstrap=$2 at=; shift 2
if [ -f "$data/grastate.dat" ]; then
	bootstrap=
	at=$("$@" --wsrep-recover 2>&1 | sed -n 's/.*Recovered position: *//p' | tail -n 1)
fi
exec "$@" $bootstrap ${at:+--wsrep-start-position=$at}`

func (galera) launch(c *cluster, node int, fresh bool) {
	m := c.nodes[node]
	data, bootstrap := filepath.Join(m.disk, "data"), ""
	if fresh && node == 0 {
		users := filepath.Join(m.disk, "users.sql")
		require.NoError(c.t, os.WriteFile(users, []byte("CREATE USER gatehouse@'%';\nGRANT ALL ON *.* TO gatehouse@'%';\nCREATE DATABASE gatehouse;\n"), 0o644))
		out, err := m.do(nil, "mariadb-install-db", "--no-defaults", "--datadir="+data, "--skip-test-db",
			"--auth-root-authentication-method=normal", logSize)
		require.NoError(c.t, err, "%s", out)
		bootstrap = "--wsrep-new-cluster --init-file=" + users
	} else if fresh {
		_, err := m.do(nil, "mkdir", data) // what is in it comes from another node
		require.NoError(c.t, err)
	}
	m.start("mariadb", []string{"TMPDIR=" + m.disk}, "sh", "-c", serve, "sh", data, bootstrap,
		"mariadbd", "--no-defaults", "--datadir="+data, "--bind-address=0.0.0.0", "--skip-name-resolve",
		"--socket="+filepath.Join(m.disk, "s"), "--pid-file="+filepath.Join(m.disk, "pid"), logSize, "--innodb-buffer-pool-size=32M",
		"--log-bin="+filepath.Join(data, "binlog"), "--log-slave-updates", "--sync-binlog=1", "--max-binlog-size=1M", "--binlog-expire-logs-seconds=60",
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", "--wsrep-provider="+provider,
		"--wsrep-cluster-name=gatehouse", "--wsrep-cluster-address=gcomm://"+strings.Join(c.place(0).Nodes, ","),
		"--wsrep-node-address="+m.ip, "--wsrep-node-name="+m.name, "--wsrep-sst-method=rsync", "--wsrep-provider-options=gcache.size=16M")
}

const logSize = "--innodb-log-file-size=16M"

func (galera) create(ctx context.Context, s storage.Store) error {
	return s.(*sqlstore.Store).Migrate(ctx)
}

// nodes is a driver.Connector that connects to the first node that takes part in the cluster.
type nodes []driver.Connector

func (n nodes) Driver() driver.Driver { return n[0].Driver() }

func (n nodes) Connect(ctx context.Context) (c driver.Conn, err error) {
	for _, node := range n {
		if c, err = connect(ctx, node); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// connect gives a node a second, and asks for a statement that one which has lost the others refuses (error 1047).
func connect(ctx context.Context, node driver.Connector) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := node.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = c.(driver.ExecerContext).ExecContext(ctx, "DO 1", nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func galeraDSN(ip, params string) string {
	return fmt.Sprintf("gatehouse@tcp(%s:3306)/gatehouse?timeout=1s&%s", ip, params)
}

// galeraNodes returns connectors to the nodes, the near one first.
func (p place) galeraNodes(params string) (nodes, error) {
	var all nodes
	for _, ip := range p.nearFirst() {
		config, err := mysql.ParseDSN(galeraDSN(ip, params))
		if err != nil {
			return nil, err
		}
		config.Logger = &mysql.NopLogger{}
		node, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		all = append(all, node)
	}
	return all, nil
}

const syncWait = "wsrep_sync_wait=7"

// source is the near node alone: the load program has no connector.
func (galera) source(p place) (driver, dsn string) {
	return "mysql", galeraDSN(p.nearFirst()[0], syncWait)
}

func (galera) open(p place) (storage.Store, func(), error) {
	all, err := p.galeraNodes(syncWait)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(all)
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	db.SetConnMaxLifetime(10 * time.Second) // a node that loses the others keeps its connections
	s, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Options{})
	return s, func() { db.Close() }, err
}

func (galera) healthy(ctx context.Context, c *cluster) error {
	for i, m := range c.nodes {
		if err := synced(ctx, m.ip); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// synced returns nil if a node takes part in a cluster of all, and has applied what it has received.
func synced(ctx context.Context, ip string) error {
	db, err := sql.Open("mysql", galeraDSN(ip, syncWait))
	if err != nil {
		return err
	}
	defer db.Close()
	want := map[string]string{
		"wsrep_cluster_status": "Primary", "wsrep_cluster_size": fmt.Sprint(nodeCount), "wsrep_local_state_comment": "Synced", "wsrep_ready": "ON",
	}
	for name, value := range want {
		var got string
		if err := db.QueryRowContext(ctx, "SHOW STATUS LIKE '"+name+"'").Scan(&name, &got); err != nil {
			return err
		}
		if got != value {
			return fmt.Errorf("%s is %s", name, got)
		}
	}
	_, err = db.ExecContext(ctx, "DO 1")
	return err
}

func (galera) leader(context.Context, *cluster) (int, error) { return -1, nil }
func (galera) handOver(context.Context, *cluster, int) error { return nil }
