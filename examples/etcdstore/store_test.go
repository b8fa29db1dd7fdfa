package etcdstore

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// TestStore runs the suite, through one client and through two.
func TestStore(t *testing.T) {
	address := start(t).client
	one := New(open(t, address))
	t.Run("one client", func(t *testing.T) { storagetest.Run(t, func(*testing.T) storage.Store { return one }) })
	t.Run("two clients", func(t *testing.T) {
		storagetest.RunShared(t, func(t *testing.T) storage.Store { return New(open(t, address)) })
	})
}

// TestManyTokens has an account with more tokens than a transaction takes. No key is left of it in the end.
func TestManyTokens(t *testing.T) {
	const n = 3*batch + 1
	var scans int
	count := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
		opts ...grpc.CallOption) error {
		if _, ok := req.(*pb.RangeRequest); ok {
			scans++
		}
		return invoke(ctx, method, req, reply, conn, opts...)
	}
	ctx, client := t.Context(), open(t, start(t).client, grpc.WithChainUnaryInterceptor(count))
	s, now := New(client), time.Now()
	r := storage.Record{ID: "a", Version: 1, Index: storage.AccountIndex{Handle: storage.Handle{1}, Unsent: now}}
	require.NoError(t, s.SaveAccount(ctx, r, 0))
	var uses []storage.TokenUse
	for i := range n {
		token := storage.TokenRecord{ID: fmt.Sprintf("%03d", i), AccountID: "a", Version: 1}
		if token.Index.Expires = now.Add(-time.Hour); i%(2*batch) == 0 {
			token.Index.Expires = now.Add(time.Hour)
		}
		require.NoError(t, s.SaveToken(ctx, token, 0))
		uses = append(uses, storage.TokenUse{ID: token.ID, TokenUsage: storage.TokenUsage{LastUsed: now, Scopes: 1}})
	}
	require.NoError(t, s.TouchTokens(ctx, uses))

	scans = 0
	page, err := s.Tokens(ctx, "a", "", math.MaxInt)
	require.NoError(t, err)
	require.Equal(t, 1, scans)
	require.Len(t, page.Records, n)
	require.False(t, page.More)
	for i, token := range page.Records {
		require.Equal(t, uses[i].ID, token.ID)
		require.EqualValues(t, 1, token.Usage.Scopes)
	}
	// Others lie between the live ones.
	page, err = s.LiveTokens(ctx, "a", storage.Live{At: now}, "", 1)
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.True(t, page.More)
	page, err = s.LiveTokens(ctx, "a", storage.Live{At: now}, page.Records[0].ID, 1)
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.Equal(t, uses[2*batch].ID, page.Records[0].ID)
	require.False(t, page.More)

	require.NoError(t, s.DeleteAccount(ctx, "a"))
	left, err := client.Get(ctx, "", clientv3.WithFromKey(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	require.Empty(t, left.Kvs)
}

// TestCompacted: a revision that is gone between two reads is a wish to try again.
func TestCompacted(t *testing.T) {
	ctx, client := t.Context(), open(t, start(t).client)
	s := New(client)
	for version := range int64(3) {
		require.NoError(t, s.SaveAccount(ctx, storage.Record{ID: "a", Version: version + 1}, version))
	}
	_, rev, err := s.read(ctx, 0, []string{accounts + "a"})
	require.NoError(t, err)
	_, err = client.Compact(ctx, rev)
	require.NoError(t, err)
	_, _, err = s.read(ctx, rev-1, []string{accounts + "a"})
	require.ErrorIs(t, err, storage.ErrConflict)
}

// TestKilled kills the server while somebody saves, and finds all that it had acknowledged.
func TestKilled(t *testing.T) {
	server := start(t)
	s := New(open(t, server.client))
	for round := range int64(5) {
		r := load(t, s)
		acknowledged, last := int64(0), r.Version+10+round
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		var err error
		for err == nil {
			acknowledged = r.Version
			if r.Version++; r.Version == last {
				go server.cmd.Process.Kill()
			}
			err = s.SaveAccount(ctx, r, acknowledged)
		}
		require.NotErrorIs(t, err, storage.ErrConflict)
		require.NoError(t, ctx.Err())
		require.GreaterOrEqual(t, acknowledged, last-1)
		cancel()
		<-server.ended
		server.run(t)
		require.GreaterOrEqual(t, load(t, s).Version, acknowledged)
	}
}

// load returns the account "a", which may be new.
func load(t *testing.T, s *Store) storage.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := s.LoadAccount(ctx, "a")
	if err != nil {
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
	r.ID = "a"
	return r
}

// TestEndedList lists when the context has ended, which is no fault of what was asked.
func TestEndedList(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(nil).Accounts(ctx, "", 1)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, storage.ErrInvalid)
}
