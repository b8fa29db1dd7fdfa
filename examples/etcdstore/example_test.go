package etcdstore_test

import (
	"crypto/tls"
	"log"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/etcdstore"
	"github.com/gatehouse-go/gatehouse/keyring"
)

func Example() {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{"https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"},
		TLS:                  &tls.Config{},
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		MaxUnaryRetries:      1, // each request is sent once
	})
	check(err)
	defer client.Close()
	keys, err := keyring.ReadFile("gatehouse.keys")
	check(err)
	svc, err := gatehouse.New(etcdstore.New(client), gatehouse.Config{Issuer: "Acme", Keys: keys})
	check(err)
	_ = svc
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
