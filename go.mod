module github.com/gatehouse-go/gatehouse

go 1.26.0

require (
	github.com/boombuler/barcode v1.1.0
	github.com/google/uuid v1.6.0
	github.com/pquerna/otp v1.5.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.58.0
	golang.org/x/text v0.44.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
