package launch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"bulkhead.dev/sdk/wire"
)

// serverName is the name in every certificate of go-plugin's automatic mutual TLS.
const serverName = "localhost"

// credentials are the keys of one generation: the host's client pair, and the server pair that a plugin built with
// the SDK uses. A stock go-plugin makes a server pair of its own and answers with its certificate; go-plugin then
// puts that into config in place of ours. Keys are P-256 on both sides: go-plugin's own P-521 costs 18 ms a start.
type credentials struct {
	config    *tls.Config
	clientPEM string
	identity  wire.Identity
}

func newCredentials() (*credentials, error) {
	clientCert, clientKey, err := newPair()
	if err != nil {
		return nil, err
	}
	serverCert, serverKey, err := newPair()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(clientCert, clientKey)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(serverCert) {
		return nil, fmt.Errorf("server certificate: %w", ErrRefused)
	}
	return &credentials{
		config: &tls.Config{
			Certificates: []tls.Certificate{pair},
			RootCAs:      roots,
			MinVersion:   tls.VersionTLS12, // other languages' servers
			ServerName:   serverName,
		},
		clientPEM: string(clientCert),
		identity:  wire.Identity{Certificate: string(serverCert), Key: string(serverKey)},
	}, nil
}

// newPair makes a key and a certificate that is its own authority, both PEM.
func newPair() (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, nil, fmt.Errorf("serial number: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: serverName, Organization: []string{"Bulkhead"}},
		DNSNames:              []string{serverName},
		NotBefore:             now.Add(-time.Minute),
		NotAfter:              now.AddDate(30, 0, 0), // longer than any process; the pair dies with it
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return certPEM, keyPEM, nil
}
