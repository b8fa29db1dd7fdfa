package etcdstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-go/gatehouse/storage"
)

// proxy stands before a server. Once a client sends the marker, it passes on no answer over that connection.
type proxy struct {
	net.Listener
	marker []byte
	seen   atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t *testing.T, server string, marker []byte) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, marker: marker}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, to)
			p.mu.Unlock()
			p.pass(client, to)
		}
	}()
	return p
}

func (p *proxy) pass(client, server net.Conn) {
	var lost atomic.Bool
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			n, err := client.Read(buffer)
			if bytes.Contains(buffer[:n], p.marker) {
				lost.Store(true)
				p.seen.Add(1)
			}
			if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
				server.Close()
				return
			}
		}
	}()
	go func() {
		defer client.Close()
		buffer := make([]byte, 1<<16)
		for {
			n, err := server.Read(buffer)
			if !lost.Load() {
				_, _ = client.Write(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// TestLostReply has saves whose answers do not arrive. The client must not send them again: they would meet themselves,
// and a conflict says that nothing was written.
func TestLostReply(t *testing.T) {
	ctx, address := t.Context(), start(t).client
	data := []byte("the data of a save whose answer is lost")
	between := newProxy(t, address, []byte(base64.StdEncoding.EncodeToString(data)))
	direct, s := New(open(t, address)), New(open(t, between.Addr().String()))
	for version := range int64(10) {
		failed := make(chan error)
		go func() {
			failed <- s.SaveAccount(ctx, storage.Record{ID: "a", Version: version + 1, Data: data}, version)
		}()
		require.Eventually(t, func() bool { return load(t, direct).Version == version+1 }, time.Minute, time.Millisecond)
		between.cut()
		err := <-failed
		require.Error(t, err)
		require.NotErrorIs(t, err, storage.ErrConflict)
		require.NotErrorIs(t, err, storage.ErrInvalid)
		require.EqualValues(t, version+1, between.seen.Load())
		require.Equal(t, version+1, load(t, s).Version, "the next read finds another connection")
	}
}

// TestFalseReply has requests that are carried out and answered with an error, as by a proxy that gives up. The client
// must not send them again either.
func TestFalseReply(t *testing.T) {
	var next codes.Code // the next answer
	between := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
		opts ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, conn, opts...)
		if txn, ok := req.(*pb.TxnRequest); err != nil || ok && len(txn.Compare) == 0 { // what a save reads before it writes
			return err
		}
		err, next = status.Error(next, "no answer in time"), codes.OK
		return err
	}
	ctx, address := t.Context(), start(t).client
	direct, s := New(open(t, address)), New(open(t, address, grpc.WithChainUnaryInterceptor(between)))
	for i, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Unavailable} {
		next = code
		version := int64(i)
		err := s.SaveAccount(ctx, storage.Record{ID: "a", Version: version + 1}, version)
		require.Error(t, err, code)
		require.NotErrorIs(t, err, storage.ErrConflict, code)
		require.NotErrorIs(t, err, storage.ErrInvalid, code)
		require.Equal(t, version+1, load(t, direct).Version)
		next = code
		page, err := s.Accounts(ctx, "", 1)
		require.Error(t, err, code)
		require.Empty(t, page, code)
	}
}
