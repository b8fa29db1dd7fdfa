package notify_test

import "github.com/gatehouse-go/gatehouse/keyring"

var keys = keyring.Generate()
