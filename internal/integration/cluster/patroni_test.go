//go:build linux && !race

package cluster_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestPatroni is row F11, for PostgreSQL with one leader and two replicas, one of which has applied each save before it is
// acknowledged, under Patroni with an etcd on each node.
func TestPatroni(t *testing.T) { testCluster(t, "patroni", testStandby, testUnreplicated) }

type patroni struct{}

func (patroni) programs() []string {
	return []string{"patroni", "patroni python3-etcd", "etcd", "etcd-server", "pg_ctlcluster", "postgresql"}
}

func (patroni) disk() int      { return 512 }
func (patroni) logs() []string { return []string{"patroni", "etcd"} }

// stale: a leader that stood still answers reads until Patroni, which stood still as well, has found out that another one
// leads. It acknowledges no save meanwhile, as no replica follows it.
func (patroni) stale(f fault) bool { return f == paused }

// survives: a leader whose disk is full ends, and Patroni has it lead again as often, for it holds the lock.
func (patroni) survives(f fault) bool { return f != full }

func (patroni) now(ctx context.Context, c *cluster, node int) (now time.Time, err error) {
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&connect_timeout=2", c.nodes[node].ip))
	if err != nil {
		return now, err
	}
	defer db.Close()
	return now, db.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now)
}

func nodeName(node int) string { return fmt.Sprint("n", node) }

func (patroni) launch(c *cluster, node int, _ bool) {
	m := c.nodes[node]
	var peers, clients []string
	for i, one := range c.nodes {
		peers = append(peers, fmt.Sprintf("%s=http://%s:2380", nodeName(i), one.ip))
		clients = append(clients, one.ip+":2379")
	}
	url := func(port int) string { return fmt.Sprintf("http://%s:%d", m.ip, port) }
	m.start("etcd", nil, "etcd", "--name", nodeName(node), "--data-dir", filepath.Join(m.disk, "etcd"),
		"--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380),
		"--listen-client-urls", url(2379), "--advertise-client-urls", url(2379),
		"--initial-cluster", strings.Join(peers, ","), "--initial-cluster-state", "new", "--log-level", "warn",
		"--enable-v2", "--heartbeat-interval", "200", "--election-timeout", "2000") // two processors for everything

	type object = map[string]any
	config := object{
		"scope": "gatehouse", "name": nodeName(node),
		"restapi": object{"listen": m.ip + ":8008", "connect_address": m.ip + ":8008"},
		// The API of version 3 would have a leader that stood still take the lock back from the one that leads, in Patroni 3.0.2:
		// it then writes the key without a look at what is there.
		"etcd": object{"hosts": clients},
		"bootstrap": object{
			"dcs": object{
				"ttl": 12, "loop_wait": 1, "retry_timeout": 4,
				"synchronous_mode": true, "synchronous_mode_strict": true,
				"postgresql": object{"use_pg_rewind": true, "parameters": object{
					"synchronous_commit": "remote_apply", "max_connections": 100, "shared_buffers": "32MB", "wal_log_hints": "on",
					"max_wal_size": "96MB", "min_wal_size": "32MB", "wal_keep_size": "48MB", "dynamic_shared_memory_type": "mmap",
					// A replica that is gone is noticed, and a client that is gone leaves no lock behind.
					"wal_sender_timeout": "5s", "wal_receiver_timeout": "5s", "tcp_user_timeout": "5s", "client_connection_check_interval": "1s",
				}},
			},
			"initdb": []any{object{"encoding": "UTF8"}, object{"locale": "C.UTF-8"}, "no-sync"},
		},
		"postgresql": object{
			"listen": m.ip + ":5432", "connect_address": m.ip + ":5432", "data_dir": filepath.Join(m.disk, "pg"),
			"bin_dir": postgresPrograms(c.t, m), "pgpass": filepath.Join(m.disk, "pgpass"),
			"parameters": object{"unix_socket_directories": ""},
			"pg_hba":     []string{"host all all 0.0.0.0/0 trust", "host replication all 0.0.0.0/0 trust"},
			"authentication": object{
				"superuser": object{"username": "postgres"}, "replication": object{"username": "replicator"}, "rewind": object{"username": "rewinder"},
			},
		},
	}
	text, err := json.Marshal(config) // which is YAML
	require.NoError(c.t, err)
	file := filepath.Join(m.disk, "patroni.yml")
	require.NoError(c.t, os.WriteFile(file, text, 0o644))
	// Patroni itself has the right time: once the clock has gone back, it waits for the time of its next round.
	m.start("patroni", []string{"LD_PRELOAD="}, "patroni", file)
}

// postgresPrograms makes a directory of PostgreSQL's programs, which Debian keeps out of PATH. The server gets the clock of
// the machine, which Patroni does not have.
func postgresPrograms(t *testing.T, m *machine) string {
	t.Helper()
	dir := filepath.Join(m.disk, "bin")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	require.NoError(t, os.Mkdir(dir, 0o755))
	paths, err := filepath.Glob("/usr/lib/postgresql/*/bin/*")
	require.NoError(t, err)
	for _, path := range paths {
		own := filepath.Join(dir, filepath.Base(path))
		if filepath.Base(path) != "postgres" {
			require.NoError(t, os.Symlink(path, own))
			continue
		}
		script := "#!/bin/sh\nexport " + strings.Join(m.clockEnv(), " ") + "\nexec " + path + " \"$@\"\n"
		require.NoError(t, os.WriteFile(own, []byte(script), 0o755))
	}
	return dir
}

func (patroni) create(ctx context.Context, s storage.Store) error {
	return s.(*sqlstore.Store).Migrate(ctx)
}

// dsn names all nodes, the near one first, and asks for the one that takes writes.
func (p place) dsn() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2",
		strings.Join(p.nearFirst(), ":5432,")+":5432")
}

func (patroni) source(p place) (driver, dsn string) { return "pgx", p.dsn() }

func (patroni) open(p place) (storage.Store, func(), error) {
	db, err := sql.Open("pgx", p.dsn())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	db.SetConnMaxLifetime(time.Minute)
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
	return s, func() { db.Close() }, err
}

// member is what Patroni says of its node.
type member struct {
	State       string
	Role        string
	Replication []struct {
		Name      string `json:"application_name"`
		State     string
		SyncState string `json:"sync_state"`
	}
}

// get asks for JSON.
func get(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

func (patroni) ask(ctx context.Context, c *cluster, node int) (m member, err error) {
	return m, get(ctx, fmt.Sprintf("http://%s:8008/patroni", c.nodes[node].ip), &m)
}

// successor is the node that may lead after a leader, as etcd has it: without one nobody would take over.
func (patroni) successor(ctx context.Context, c *cluster, leader int) (string, error) {
	var key struct{ Node struct{ Value string } }
	var sync struct {
		Leader  string
		Standby string `json:"sync_standby"`
	}
	err := get(ctx, fmt.Sprintf("http://%s:2379/v2/keys/service/gatehouse/sync?quorum=true", c.nodes[leader].ip), &key)
	if err == nil {
		err = json.Unmarshal([]byte(key.Node.Value), &sync)
	}
	if err == nil && (sync.Leader != nodeName(leader) || sync.Standby == "") {
		err = fmt.Errorf("no node may lead after n%d: %s", leader, key.Node.Value)
	}
	return sync.Standby, err
}

func (m member) leads() bool {
	return m.State == "running" && (m.Role == "master" || m.Role == "primary")
}

func (p patroni) healthy(ctx context.Context, c *cluster) error {
	leaders := 0
	for i := range c.nodes {
		m, err := p.ask(ctx, c, i)
		if err != nil {
			return err
		}
		if m.State != "running" {
			return fmt.Errorf("node %d is %s", i, m.State)
		}
		if !m.leads() {
			continue
		}
		leaders++
		next, err := p.successor(ctx, c, i)
		if err != nil {
			return err
		}
		streaming, sync := 0, 0
		for _, r := range m.Replication {
			if r.State == "streaming" {
				streaming++
			}
			if r.SyncState == "sync" && r.Name == next {
				sync++
			}
		}
		if streaming != nodeCount-1 || sync == 0 {
			return fmt.Errorf("node %d leads %+v", i, m.Replication)
		}
	}
	if leaders != 1 {
		return fmt.Errorf("%d leaders", leaders)
	}
	return nil
}

func (p patroni) leader(ctx context.Context, c *cluster) (int, error) {
	for i := range c.nodes {
		if m, err := p.ask(ctx, c, i); err == nil && m.leads() {
			return i, nil
		}
	}
	return 0, fmt.Errorf("there is no leader")
}

func (p patroni) handOver(ctx context.Context, c *cluster, node int) error {
	leader, err := p.leader(ctx, c)
	if err != nil || leader != node {
		return err
	}
	body, err := json.Marshal(map[string]string{"leader": nodeName(node)})
	if err != nil {
		return err
	}
	status, err := post(ctx, fmt.Sprintf("http://%s:8008/switchover", c.nodes[node].ip), body)
	if err != nil {
		return err
	}
	return fmt.Errorf("asked for another leader: %s", status)
}

func post(ctx context.Context, url string, body []byte) (status string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Status, nil
}

// mend has nodes copy everything from the leader whose servers cannot start, as patronictl reinit does. A replica that is
// ahead of where another one began to lead needs it: Patroni 3.0.2 does not always rewind it. A leader refuses.
func (p patroni) mend(ctx context.Context, c *cluster) error {
	for i, node := range c.nodes {
		if m, err := p.ask(ctx, c, i); err != nil || m.State != "start failed" {
			continue
		}
		status, err := post(ctx, fmt.Sprintf("http://%s:8008/reinitialize", node.ip), []byte(`{"force": true}`))
		if err != nil {
			return err
		}
		c.t.Logf("node %d is made anew: %s", i, status)
	}
	return nil
}
