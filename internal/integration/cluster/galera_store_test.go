//go:build linux && !race

package cluster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestGaleraStore looks at what the SQL store does on nodes that all take saves.
func TestGaleraStore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "galera")
	t.Run("settings", c.galeraSettings)
	t.Run("lag", c.galeraLag)
	t.Run("one of several saves", c.galeraOneSave)
	t.Run("migrate", c.galeraMigrate)
	t.Run("conflicts in a partition", c.galeraConflicts)
	t.Run("a node without the others", c.galeraAlone)
}

// galeraDB opens a handle to one node, with parameters of the DSN.
func (c *cluster) galeraDB(t *testing.T, node int, params string) *sql.DB {
	t.Helper()
	all, err := c.place(node).galeraNodes(params)
	require.NoError(t, err)
	db := sql.OpenDB(all[0])
	t.Cleanup(func() { db.Close() })
	return db
}

// galeraStore opens a store on one node.
func (c *cluster) galeraStore(t *testing.T, node int, params string, o sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(c.galeraDB(t, node, params), sqlstore.MySQL, o)
	require.NoError(t, err)
	return s
}

// galeraSettings: what a node says of itself is what the rules ask for.
func (c *cluster) galeraSettings(t *testing.T) {
	warnings, err := c.galeraStore(t, 1, "wsrep_sync_wait=7", sqlstore.Options{}).Warnings(t.Context())
	require.NoError(t, err)
	require.Empty(t, warnings)
	warnings, err = c.galeraStore(t, 1, "wsrep_sync_wait=7&wsrep_osu_method='RSU'", sqlstore.Options{}).Warnings(t.Context())
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "wsrep_osu_method")
	for _, params := range []string{
		"", "wsrep_sync_wait=1", "wsrep_sync_wait=6", "wsrep_sync_wait=5", "wsrep_sync_wait=3", "wsrep_sync_wait=7&wsrep_dirty_reads=1",
		"wsrep_sync_wait=7&wsrep_on=0",
	} {
		s := c.galeraStore(t, 1, params, sqlstore.Options{})
		require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrSetup, params)
		_, err := s.LoadAccount(t.Context(), "a")
		require.ErrorIs(t, err, sqlstore.ErrSetup, params)
		require.ErrorContains(t, err, "wsrep_", params)
	}
}

// holdUp has a node receive what others save and not apply it, until the function it returns is called.
func (c *cluster) holdUp(t *testing.T, node int) (release func()) {
	t.Helper()
	held := c.galeraDB(t, node, "")
	_, err := held.Exec("CREATE TABLE IF NOT EXISTS held (id INT PRIMARY KEY)")
	require.NoError(t, err)
	conn, err := held.Conn(t.Context())
	require.NoError(t, err)
	// What applies the saves of others ends the transactions that are in its way, but not where they hold a named lock.
	for _, statement := range []string{"DO GET_LOCK('held', 10)", "LOCK TABLES held WRITE"} {
		_, err = conn.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	_, err = c.galeraDB(t, (node+1)%nodeCount, "").Exec("INSERT INTO held VALUES (?)", time.Now().Nanosecond())
	require.NoError(t, err)
	return sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, held.Close())
	})
}

// galeraLag has a node lag behind the others. What wsrep_sync_wait lets a session miss is missed there, and the store
// waits.
func (c *cluster) galeraLag(t *testing.T) {
	ctx := t.Context()
	const node = 1
	here := c.galeraStore(t, 0, "wsrep_sync_wait=7", sqlstore.Options{})
	there := c.galeraStore(t, node, "wsrep_sync_wait=7", sqlstore.Options{Timeout: patience})
	require.NoError(t, there.Check(ctx))
	owner := storage.Record{ID: "lag", Version: 1}
	token := storage.TokenRecord{ID: "lag", AccountID: "lag", Version: 1, Index: storage.TokenIndex{Expires: time.Now().Add(time.Hour)}}
	require.NoError(t, here.SaveAccount(ctx, owner, 0))
	require.NoError(t, here.SaveToken(ctx, token, 0))
	_, _, err := there.LoadToken(ctx, token.ID)
	require.NoError(t, err)

	release := c.holdUp(t, node)
	defer release()
	token.Version, token.Index.Revoked = 2, true
	require.NoError(t, here.SaveToken(ctx, token, 1))
	require.NoError(t, here.SaveAccount(ctx, storage.Record{ID: "lag new", Version: 1}, 0))
	require.NoError(t, here.SaveToken(ctx, storage.TokenRecord{ID: "lag new", AccountID: "lag new", Version: 1}, 0))

	var revoked bool
	blind := c.galeraDB(t, node, "wsrep_sync_wait=6")
	require.NoError(t, blind.QueryRow("SELECT revoked FROM gatehouse_tokens WHERE id = 'lag'").Scan(&revoked))
	require.False(t, revoked, "without the bit 1 a revoked token is good")
	for _, statement := range []string{
		"DELETE FROM gatehouse_accounts WHERE id = 'lag new'",
		"INSERT INTO gatehouse_token_uses SELECT account_id, id, 1, 1, '' FROM gatehouse_tokens WHERE id = 'lag new'",
	} {
		result, err := c.galeraDB(t, node, "wsrep_sync_wait=1").Exec(statement)
		require.NoError(t, err, statement)
		n, err := result.RowsAffected()
		require.NoError(t, err)
		require.Zero(t, n, "with no more than that bit, this finds nothing: %s", statement)
	}

	type answer struct {
		token storage.TokenRecord
		err   error
	}
	loaded, used, deleted := make(chan answer, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		got, _, err := there.LoadToken(ctx, token.ID)
		loaded <- answer{got, err}
	}()
	go func() {
		used <- there.TouchTokens(ctx, []storage.TokenUse{{ID: "lag new", TokenUsage: storage.TokenUsage{LastUsed: time.Now(), Scopes: 1}}})
	}()
	c.begun(blind, func() int { return 2 - len(loaded) - len(used) })
	release()
	got := <-loaded
	require.NoError(t, got.err)
	require.True(t, got.token.Index.Revoked)
	require.NoError(t, <-used)
	usage, _, err := here.LoadToken(ctx, "lag new")
	require.NoError(t, err)
	require.EqualValues(t, 1, usage.Usage.Scopes)

	release = c.holdUp(t, node)
	defer release()
	require.NoError(t, here.SaveAccount(ctx, storage.Record{ID: "lag newer", Version: 1}, 0))
	go func() { deleted <- there.DeleteAccount(ctx, "lag newer") }()
	c.begun(blind, func() int { return 1 - len(deleted) })
	release()
	require.NoError(t, <-deleted)
	_, err = here.LoadAccount(ctx, "lag newer")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// begun waits until so many statements on the store's tables are under way at a node.
func (c *cluster) begun(node *sql.DB, missing func() int) {
	c.t.Helper()
	c.wait("statements that wait", func(ctx context.Context) error {
		var list string
		var n int
		want := missing()
		err := node.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(GROUP_CONCAT(command, ' ', info), '') FROM information_schema.processlist"+
			" WHERE command <> 'Sleep' AND info LIKE '%gatehouse\\_%' AND id <> CONNECTION_ID()").Scan(&n, &list)
		if err == nil && n < want {
			err = fmt.Errorf("%d of %d: %s", n, want, list)
		}
		return err
	})
}

// galeraOneSave: of saves over one version on all nodes at once, one is acknowledged, and that one is stored. The server
// runs a statement again that it had to undo, which must not make two of it.
func (c *cluster) galeraOneSave(t *testing.T) {
	ctx := t.Context()
	var all []*sql.DB
	for node := range nodeCount {
		all = append(all, c.galeraDB(t, node, ""))
	}
	for _, params := range []string{"wsrep_sync_wait=7", "wsrep_sync_wait=7&interpolateParams=true"} {
		var stores []*sqlstore.Store
		for node := range nodeCount {
			stores = append(stores, c.galeraStore(t, node, params, sqlstore.Options{Timeout: patience}))
		}
		undone, began := c.undone(t, all), time.Now()
		for round := 0; round < 100 || c.undone(t, all) == undone; round++ {
			require.Less(t, time.Since(began), patience, "no node has undone a save")
			r := storage.Record{ID: fmt.Sprint(params, round), Version: 1}
			require.NoError(t, stores[0].SaveAccount(ctx, r, 0))
			for _, s := range stores {
				_, err := s.LoadAccount(ctx, r.ID)
				require.NoError(t, err)
			}
			var wins, version atomic.Int64
			var racing sync.WaitGroup
			for i := range 2 * nodeCount {
				racing.Go(func() {
					v := int64(i + 2)
					switch err := stores[i%nodeCount].SaveAccount(ctx, storage.Record{ID: r.ID, Version: v}, 1); {
					case err == nil:
						wins.Add(1)
						version.Store(v)
					case !errors.Is(err, storage.ErrConflict):
						t.Error(err)
					}
				})
			}
			racing.Wait()
			require.EqualValues(t, 1, wins.Load())
			for _, s := range stores {
				got, err := s.LoadAccount(ctx, r.ID)
				require.NoError(t, err)
				require.Equal(t, version.Load(), got.Version)
			}
		}
	}
}

// undone counts the saves that nodes have undone as another one came first.
func (c *cluster) undone(t *testing.T, nodes []*sql.DB) (sum int) {
	t.Helper()
	for _, node := range nodes {
		rows, err := node.Query("SHOW STATUS WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')")
		require.NoError(t, err)
		for rows.Next() {
			var name string
			var n int
			require.NoError(t, rows.Scan(&name, &n))
			sum += n
		}
		require.NoError(t, rows.Close())
	}
	return sum
}

// galeraMigrate has processes at all nodes make the tables at once.
func (c *cluster) galeraMigrate(t *testing.T) {
	for round := range 20 {
		o := sqlstore.Options{Prefix: fmt.Sprintf("m%d_", round)}
		var all sync.WaitGroup
		for i := range 2 * nodeCount {
			s := c.galeraStore(t, i%nodeCount, "wsrep_sync_wait=7", o)
			all.Go(func() {
				if err := errors.Join(s.Migrate(t.Context()), s.Check(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	require.NoError(t, c.galeraStore(t, 2, "wsrep_sync_wait=7", sqlstore.Options{Prefix: "m0_"}).Validate(t.Context()))
}

// galeraConflicts cuts a node off in the middle of saves. Those that are answered with ErrConflict were not carried out,
// and those that are acknowledged were; of others nobody knows.
func (c *cluster) galeraConflicts(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	answers := map[string]error{}
	var all sync.WaitGroup
	for i := range 4 * nodeCount {
		s := c.galeraStore(t, i%nodeCount, "wsrep_sync_wait=7", sqlstore.Options{})
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("cut %d %d", i, n)
				err := s.SaveAccount(t.Context(), storage.Record{ID: id, Version: 1}, 0)
				mu.Lock()
				answers[id] = err
				mu.Unlock()
				// All want this one.
				if r, err := s.LoadAccount(t.Context(), "cut"); err == nil {
					_ = s.SaveAccount(t.Context(), storage.Record{ID: "cut", Version: r.Version + 1}, r.Version)
				} else if errors.Is(err, storage.ErrNotFound) {
					_ = s.SaveAccount(t.Context(), storage.Record{ID: "cut", Version: 1}, 0)
				}
				if err != nil {
					sleep(ctx, 50*time.Millisecond)
				}
			}
		})
	}
	count := func(is func(error) bool) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, err := range answers {
			if is(err) {
				n++
			}
		}
		return n
	}
	more := func(what string, is func(error) bool) {
		before := count(is)
		c.wait(what, func(context.Context) error {
			if n := count(is); n < before+30 {
				return fmt.Errorf("%d", n-before)
			}
			return nil
		})
	}
	acknowledged := func(err error) bool { return err == nil }
	more("saves", acknowledged)
	partition(c.nodes[2])
	more("errors", func(err error) bool { return err != nil })
	more("saves of the others", acknowledged)
	heal(c.nodes[2])
	c.waitHealthy()
	stop()
	all.Wait()
	s := c.galeraStore(t, 1, "wsrep_sync_wait=7", sqlstore.Options{})
	kept, conflicts, unknown := 0, 0, map[bool]int{}
	for id, answer := range answers {
		_, err := s.LoadAccount(t.Context(), id)
		there := err == nil
		if !there {
			require.ErrorIs(t, err, storage.ErrNotFound)
		}
		switch {
		case answer == nil:
			require.True(t, there, id)
			kept++
		case errors.Is(answer, storage.ErrConflict):
			require.False(t, there, id)
			conflicts++
		default:
			unknown[there]++
		}
	}
	t.Logf("%d acknowledged, %d conflicts, %d errors of which %d were carried out", kept, conflicts, unknown[true]+unknown[false], unknown[true])
}

// galeraAlone: a process whose node has lost the others, and can still be reached, goes to another one.
func (c *cluster) galeraAlone(t *testing.T) {
	const node = 2
	store, closeStore, err := c.place(node).open()
	require.NoError(t, err)
	defer closeStore()
	prev := int64(0)
	save := func(ctx context.Context) error {
		err := store.SaveAccount(ctx, storage.Record{ID: "alone", Version: prev + 1}, prev)
		if err == nil {
			prev++
		} else if r, again := store.LoadAccount(ctx, "alone"); again == nil {
			prev = r.Version
		}
		return err
	}
	c.wait("a save", save)
	routes := func(do string) {
		for i, m := range c.nodes {
			if i != node {
				out, err := c.nodes[node].command(true, nil, "ip", "route", do, "blackhole", m.ip).CombinedOutput()
				require.NoError(t, err, "%s", out)
			}
		}
	}
	routes("add")
	near := c.galeraDB(t, node, "")
	c.wait("an answer that the node refuses", func(ctx context.Context) error {
		var refused *mysql.MySQLError
		if _, err := near.ExecContext(ctx, "DO 1"); !errors.As(err, &refused) || refused.Number != 1047 {
			return fmt.Errorf("DO 1: %v", err)
		}
		return nil
	})
	c.wait("a save on another node", save)
	routes("del")
	c.waitHealthy()
}
