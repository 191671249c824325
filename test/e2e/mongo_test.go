//go:build machines

package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// registry is where the machines of a local cluster look for images first.
const registry = "10.99.0.1:5000"

// registryConfig is docker-registry's own format, see its configuration.md.
const registryConfig = `version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: %s}
http: {addr: %s}
`

// mongoServer stands in for mongod: a listener on its port that ends at SIGTERM.
const mongoServer = "#!/bin/sh\ntrap 'exit 0' TERM\nhttpd -f -p 27017 -h / &\nwait\n"

// serveMongo runs Debian's docker-registry on the machines' network, with an
// image "mongo" in it that is made here of Debian's static busybox.
func serveMongo(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	config := filepath.Join(folder, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, registryConfig, filepath.Join(folder, "images"), registry), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := exec.Command("ip", "netns", "exec", "argosy-"+cluster.name, "docker-registry", "serve", config)
	var said bytes.Buffer
	serve.Stdout, serve.Stderr = &said, &said
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
	})
	eventually(t, 20*time.Second, func() error {
		if out := cluster.shell(t, "core-01", "curl -fsS http://"+registry+"/v2/"); out.code != 0 {
			return fmt.Errorf("docker-registry does not answer: %s%s", out.stderr, said.String())
		}
		return nil
	})

	name := registry + "/library/mongo:latest"
	out := cluster.run(t, rootfs(t), cluster.argosy, "ssh", "--name", cluster.name, "core-01", "--",
		fmt.Sprintf(`docker import --change 'CMD ["/mongod"]' - %[1]s && docker push %[1]s && docker rmi %[1]s`, name))
	if out.code != 0 {
		t.Fatalf("make the image: %s%s", out.stdout, out.stderr)
	}
}

// rootfs is a root file system in a tar: busybox and the names it is called by.
func rootfs(t *testing.T) []byte {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("%v (package busybox-static)", err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	add(tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, busybox)
	add(tar.Header{Name: "mongod", Typeflag: tar.TypeReg, Mode: 0o755}, []byte(mongoServer))
	for _, name := range []string{"sh", "httpd", "sleep"} {
		add(tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
