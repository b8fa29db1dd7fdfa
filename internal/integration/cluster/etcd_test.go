//go:build linux && !race

package cluster_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/gatehouse-go/gatehouse/examples/etcdstore"
	"github.com/gatehouse-go/gatehouse/storage"
)

// TestEtcd is row F2 for a store of one's own on etcd.
func TestEtcd(t *testing.T) { testCluster(t, "etcd") }

// etcd is not clocked: it asks the kernel for the time without the C library, so libfaketime does not reach it. Nothing
// that it decides for this store depends on the time of day: elections count ticks, and there are no leases.
type etcd struct{}

func (etcd) programs() []string { return []string{"etcd", "etcd-server"} }
func (etcd) disk() int          { return 512 }
func (etcd) logs() []string     { return []string{"etcd"} }

// stale: a read waits until most nodes agree on who leads.
func (etcd) stale(fault) bool { return false }

// survives: another node leads soon.
func (etcd) survives(fault) bool { return true }

func (etcd) launch(c *cluster, node int, _ bool) {
	startEtcd(c, node, "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1m")
}

func (etcd) create(context.Context, storage.Store) error { return nil }

func (etcd) open(p place) (storage.Store, func(), error) {
	client, err := etcdClient(p.nearFirst()...)
	if err != nil {
		return nil, nil, err
	}
	return etcdstore.New(client), func() { client.Close() }, nil
}

func (etcd) source(p place) (driver, dsn string) {
	return "etcd", strings.Join(endpoints(p.nearFirst()), ",")
}

func endpoints(nodes []string) (urls []string) {
	for _, node := range nodes {
		urls = append(urls, "http://"+node+":2379")
	}
	return urls
}

// etcdClient has the settings that docs/operations.md advises.
func etcdClient(nodes ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints(nodes), DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		MaxUnaryRetries: 1, Logger: zap.NewNop(),
	})
}

// healthy has each node answer for itself: it does once it has all that most nodes have agreed on.
func (e etcd) healthy(ctx context.Context, c *cluster) error {
	for i := range c.nodes {
		if err := e.ask(ctx, c, i, func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.Get(ctx, "health")
			return err
		}); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

func (etcd) ask(ctx context.Context, c *cluster, node int, f func(context.Context, *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	client, err := etcdClient(c.nodes[node].ip)
	if err != nil {
		return err
	}
	defer client.Close()
	return f(ctx, client)
}

// members are the IDs of the nodes, and which of them leads.
func (e etcd) members(ctx context.Context, c *cluster) (ids [nodeCount]uint64, leader int, err error) {
	leader = -1
	for i := range c.nodes {
		fault := e.ask(ctx, c, i, func(ctx context.Context, client *clientv3.Client) error {
			status, err := client.Status(ctx, client.Endpoints()[0])
			if err != nil {
				return err
			}
			if ids[i] = status.Header.MemberId; status.Leader == ids[i] {
				leader = i
			}
			return nil
		})
		if fault != nil {
			err = fault
		}
	}
	if err == nil && leader < 0 {
		err = fmt.Errorf("there is no leader")
	}
	return ids, leader, err
}

func (e etcd) leader(ctx context.Context, c *cluster) (int, error) {
	_, leader, err := e.members(ctx, c)
	return leader, err
}

func (e etcd) handOver(ctx context.Context, c *cluster, node int) error {
	ids, leader, err := e.members(ctx, c)
	if err != nil || leader != node {
		return err
	}
	return e.ask(ctx, c, node, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MoveLeader(ctx, ids[(node+1)%nodeCount])
		return err
	})
}

// startEtcd starts a member of an etcd on all nodes.
func startEtcd(c *cluster, node int, more ...string) {
	var peers []string
	for i, one := range c.nodes {
		peers = append(peers, fmt.Sprintf("%s=http://%s:2380", nodeName(i), one.ip))
	}
	m := c.nodes[node]
	url := func(port int) string { return fmt.Sprintf("http://%s:%d", m.ip, port) }
	m.start("etcd", nil, "etcd", append([]string{"--name", nodeName(node), "--data-dir", filepath.Join(m.disk, "etcd"),
		"--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380),
		"--listen-client-urls", url(2379), "--advertise-client-urls", url(2379),
		"--initial-cluster", strings.Join(peers, ","), "--initial-cluster-state", "new", "--log-level", "warn",
		"--heartbeat-interval", "200", "--election-timeout", "2000"}, more...)...) // two processors for everything
}
