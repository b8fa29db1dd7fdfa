package etcdstore

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
)

// server is an etcd of one node.
type server struct {
	dir, client, peer string // its files and its addresses
	cmd               *exec.Cmd
	ended             chan struct{}
}

// start starts an etcd, which ends with the test.
func start(t *testing.T) *server {
	t.Helper()
	testneed.Program(t, "etcd", "etcd-server")
	s := &server{dir: t.TempDir(), client: freeAddress(t), peer: freeAddress(t)}
	s.run(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

// freeAddress has a port below those that systems hand out by themselves, so that it is still free after a restart.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// run starts the process, and waits until it answers.
func (s *server) run(t *testing.T) {
	t.Helper()
	log := filepath.Join(s.dir, "log")
	s.cmd = exec.Command("etcd", "--data-dir", filepath.Join(s.dir, "data"), "--log-outputs", log, "--logger", "zap",
		"--listen-client-urls", "http://"+s.client, "--advertise-client-urls", "http://"+s.client,
		"--listen-peer-urls", "http://"+s.peer, "--initial-advertise-peer-urls", "http://"+s.peer,
		"--initial-cluster", "default=http://"+s.peer)
	s.cmd.SysProcAttr = attributes()
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		// The process is killed when the thread that started it ends, so that must last.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
			close(s.ended)
		}
	}()
	require.NoError(t, <-started)
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", s.client)
		if err == nil {
			require.NoError(t, c.Close())
			return
		}
		select {
		case <-s.ended:
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(log)
		t.Fatalf("etcd: %v\n%s", err, text)
	}
}

// kill ends the process by SIGKILL.
func (s *server) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Kill())
	<-s.ended
}

// open returns a client of an address, which is closed after the test.
func open(t *testing.T, address string, opts ...grpc.DialOption) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{address}, MaxUnaryRetries: 1, DialOptions: opts, Logger: zap.NewNop(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
