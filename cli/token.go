package cli

import (
	"errors"
	"io"
	"os"
	"strings"

	"argosy/core/access"
)

// TokenVariable holds a token where no option does.
const TokenVariable = "ARGOSY_TOKEN"

// mostTokenBytes is more than a token can be.
const mostTokenBytes = 4096

// Token is a token from where it was given: as it is, in a file (- for in), or in
// the environment.
func Token(given, file string, in io.Reader) (string, error) {
	text := given
	var err error
	switch {
	case given != "" && file != "":
		err = errors.New("--token and --token-file: give one of them")
	case file == "-":
		text, err = readToken(in)
	case file != "":
		text, err = readTokenFile(file)
	case given == "":
		text = os.Getenv(TokenVariable)
	}
	if err != nil {
		return "", err
	}
	text = strings.TrimSpace(text)
	_, _, err = access.ParseSecret(text)
	return text, err
}

func readTokenFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	text, err := readToken(file)
	return text, errors.Join(err, file.Close())
}

func readToken(from io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(from, mostTokenBytes))
	return string(text), err
}
