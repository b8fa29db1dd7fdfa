package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gatehouse-go/gatehouse/examples/etcdstore"
)

// keys are users and sessions in etcd.
type keys struct{ client *clientv3.Client }

const (
	userKey    = "load/users/"
	sessionKey = "load/sessions/"
)

// newOnEtcd is gatehouse with all it has in etcd.
func newOnEtcd(ctx context.Context, s settings) (http.Handler, io.Closer, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: strings.Split(s.dsn, ","), DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		MaxUnaryRetries: 1,
	})
	if err != nil {
		return nil, nil, err
	}
	k := keys{client}
	if err := k.fill(ctx, s.accounts); err != nil {
		return nil, nil, err
	}
	handler, err := gatehouseOn(ctx, etcdstore.New(client), sessions{k}, s)
	return handler, client, err
}

func (k keys) fill(ctx context.Context, accounts int) error {
	const chunk = 100 // etcd takes 128 in a transaction
	for from := 0; from < accounts; from += chunk {
		var puts []clientv3.Op
		for i := from; i < min(from+chunk, accounts); i++ {
			puts = append(puts, clientv3.OpPut(userKey+accountID(i), passwordHash(password)))
		}
		if _, err := k.client.Txn(ctx).Then(puts...).Commit(); err != nil {
			return err
		}
	}
	return nil
}

// get returns "" for a key that is not there.
func (k keys) get(ctx context.Context, key string) (string, error) {
	r, err := k.client.Get(ctx, key)
	if err != nil || len(r.Kvs) == 0 {
		return "", err
	}
	return string(r.Kvs[0].Value), nil
}

func (k keys) password(ctx context.Context, account string) (hash string, err error) {
	return k.get(ctx, userKey+account)
}

func (k keys) begin(ctx context.Context, id, account string) error {
	_, err := k.client.Put(ctx, sessionKey+id, account)
	return err
}

func (k keys) find(ctx context.Context, id string) (account string, err error) {
	return k.get(ctx, sessionKey+id)
}

func (k keys) end(ctx context.Context, id string) error {
	_, err := k.client.Delete(ctx, sessionKey+id)
	return err
}
