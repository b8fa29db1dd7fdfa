//go:build linux && !race

package cluster_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// testStandby has connections lead to a replica, once the store has found that they lead to the primary: behind a proxy
// or an address that moves. No load may answer, least of all that there is no such account, which has no second factor.
func testStandby(c *cluster) {
	t, ctx := c.t, c.t.Context()
	var leader int
	c.wait("a leader", func(ctx context.Context) (err error) {
		leader, err = c.engine.leader(ctx, c)
		return err
	})
	host := c.nodes[leader].ip
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", host))
	require.NoError(t, err)
	db := sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionBeforeConnect(func(_ context.Context, one *pgx.ConnConfig) error {
		one.Host = host
		return nil
	})))
	defer db.Close()
	db.SetMaxIdleConns(-1) // each call has a connection of its own
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
	require.NoError(t, err)
	absent := func() error { _, err := s.LoadAccount(ctx, "absent"); return err }
	require.ErrorIs(t, absent(), storage.ErrNotFound)

	host = c.nodes[(leader+1)%nodeCount].ip
	for name, load := range map[string]func() error{
		"LoadAccount":     func() error { _, err := s.LoadAccount(ctx, c.owners[0].ID); return err },
		"absent":          absent,
		"AccountByHandle": func() error { _, err := s.AccountByHandle(ctx, storage.Handle{1}); return err },
		"Accounts":        func() error { _, err := s.Accounts(ctx, "", 10); return err },
		"UnsentAccounts":  func() error { _, err := s.UnsentAccounts(ctx, "", math.MaxInt); return err },
		"LoadToken":       func() error { _, _, err := s.LoadToken(ctx, "absent"); return err },
		"Tokens":          func() error { _, err := s.Tokens(ctx, "absent", "", 10); return err },
		"LiveTokens": func() error {
			_, err := s.LiveTokens(ctx, "absent", storage.Live{At: time.Now()}, "", 10)
			return err
		},
		"AllTokens":   func() error { _, err := s.AllTokens(ctx, "", 10); return err },
		"DeleteToken": func() error { return s.DeleteToken(ctx, "absent", 1) },
	} {
		err := load()
		require.ErrorIs(t, err, sqlstore.ErrSetup, name)
		require.ErrorContains(t, err, "a standby answers", name)
	}
	// A save says so in PostgreSQL's words. It is a fault, and nobody's to try again.
	err = s.SaveAccount(ctx, storage.Record{ID: "absent", Version: 1}, 0)
	require.ErrorContains(t, err, "25006")
	require.NotErrorIs(t, err, storage.ErrConflict)

	// What doctor looks at.
	require.ErrorContains(t, s.Check(ctx), "pg_is_in_recovery")
	server, err := s.Server(ctx)
	require.NoError(t, err)
	require.True(t, *server.ReadOnly)
}

// testUnreplicated has no replica answer: PostgreSQL then shows a commit that its client has given up, on the leader alone,
// and nobody may be told that it was made, at the second call as little as at the first.
func testUnreplicated(c *cluster) {
	t, ctx := c.t, c.t.Context()
	var leader int
	c.wait("a leader", func(ctx context.Context) (err error) {
		leader, err = c.engine.leader(ctx, c)
		return err
	})
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", c.nodes[leader].ip))
	require.NoError(t, err)
	defer db.Close()
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{Timeout: time.Second})
	require.NoError(t, err)
	svc, _, err := c.setup.service(s)
	require.NoError(t, err)
	defer svc.Close(ctx)
	const id = "unreplicated"
	op := svc.Operator("support")
	suspended := func() bool {
		a, err := svc.Account(ctx, id)
		return err == nil && !a.Suspended.IsZero()
	}
	c.wait("a record", func(ctx context.Context) error { return op.Suspend(ctx, id) })
	c.wait("the end of the suspension", func(ctx context.Context) error { return op.Resume(ctx, id) })

	for i, m := range c.nodes {
		if i != leader {
			m.signalOnly("postgres", syscall.SIGSTOP)
		}
	}
	first := op.Suspend(ctx, id)
	require.Eventually(t, suspended, 10*time.Second, 10*time.Millisecond, "the leader shows it: %v", first)
	again := op.Suspend(ctx, id)
	for i, m := range c.nodes {
		if i != leader {
			m.signalOnly("postgres", syscall.SIGCONT)
		}
	}
	require.Error(t, first)
	require.Error(t, again, "no replica has it")
	c.wait("replicas", func(ctx context.Context) error { return op.Suspend(ctx, id) })
	require.True(t, suspended())
	c.wait("a deletion", func(ctx context.Context) error { return c.raw.DeleteAccount(ctx, id) })
}
