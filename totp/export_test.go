package totp

import "github.com/gatehouse-go/gatehouse/internal/redact"

// RawSecret makes a Secret of any length, which nothing else can.
func RawSecret(b []byte) Secret { return Secret{redact.New(b)} }
