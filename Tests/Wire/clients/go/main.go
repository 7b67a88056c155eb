// Calls the echo service with grpc-go and prints what came, one fact a line.
//
// Usage: wireclient HOST:PORT NAME=HEX...   (requests as encoded messages)
// Messages stay bytes, so no generated code is needed.
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const service = "/wire.echo.v1.EchoService/"

type raw struct{}

func (raw) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "proto" }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	requests := map[string][]byte{}
	for _, argument := range os.Args[2:] {
		parts := strings.SplitN(argument, "=", 2)
		data, err := hex.DecodeString(parts[1])
		must(err)
		requests[parts[0]] = data
	}
	connection, err := grpc.Dial(
		os.Args[1], grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	must(err)
	defer connection.Close()
	background := context.Background()

	unary := func(ctx context.Context, name string, options ...grpc.CallOption) ([]byte, error) {
		request, reply := requests[name], []byte{}
		err := connection.Invoke(ctx, service+"Unary", &request, &reply, options...)
		return reply, err
	}
	open := func(ctx context.Context, method string) grpc.ClientStream {
		stream, err := connection.NewStream(
			ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, service+method)
		must(err)
		return stream
	}
	send := func(stream grpc.ClientStream, name string) {
		request := requests[name]
		must(stream.SendMsg(&request))
	}
	receive := func(stream grpc.ClientStream, limit int) string {
		texts := []string{}
		for len(texts) < limit {
			reply := []byte{}
			err := stream.RecvMsg(&reply)
			if err == io.EOF {
				break
			}
			must(err)
			texts = append(texts, hex.EncodeToString(reply))
		}
		return strings.Join(texts, ",")
	}

	reply, err := unary(background, "unary")
	must(err)
	fmt.Println("unary", hex.EncodeToString(reply))
	reply, err = unary(background, "large")
	must(err)
	fmt.Println("large", len(reply))
	reply, err = unary(background, "long", grpc.UseCompressor(gzip.Name))
	must(err)
	fmt.Println("gzip", hex.EncodeToString(reply))

	stream := open(background, "ServerStream")
	send(stream, "stream")
	must(stream.CloseSend())
	fmt.Println("stream", receive(stream, 1000))

	stream = open(background, "ClientStream")
	for i := 0; i < 3; i++ {
		send(stream, "unary")
	}
	must(stream.CloseSend())
	fmt.Println("collect", receive(stream, 1000))

	// Full duplex: the second request is sent after the answer to the first.
	stream = open(background, "Bidi")
	send(stream, "unary")
	first := receive(stream, 1)
	send(stream, "stream")
	must(stream.CloseSend())
	fmt.Println("bidi", first+","+receive(stream, 1000))

	var header, trailer metadata.MD
	sent := metadata.AppendToOutgoingContext(background, "x-echo-raw-bin", "\x00\xff\x10")
	_, err = unary(sent, "metadata", grpc.Header(&header), grpc.Trailer(&trailer))
	must(err)
	fmt.Printf("metadata %x %x\n", header["x-echo-raw-bin"][0], trailer["x-echo-raw-bin"][0])

	_, err = unary(background, "error")
	details, failed := proto.Marshal(status.Convert(err).Proto())
	must(failed)
	fmt.Printf("error %d %x %x\n", status.Code(err), status.Convert(err).Message(), details)

	short, cancel := context.WithTimeout(background, 200*time.Millisecond)
	_, err = unary(short, "slow")
	cancel()
	fmt.Println("deadline", uint32(status.Code(err)))
	left, cancel := context.WithCancel(background)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = unary(left, "slow")
	fmt.Println("cancel", uint32(status.Code(err)))

	left, cancel = context.WithCancel(background)
	stream = open(left, "ServerStream")
	send(stream, "endless")
	must(stream.CloseSend())
	receive(stream, 1)
	cancel()
	for err = nil; err == nil; {
		reply := []byte{}
		err = stream.RecvMsg(&reply)
	}
	fmt.Println("leave", uint32(status.Code(err)))

	empty := []byte{}
	err = connection.Invoke(background, "/no.Such/Method", &empty, &empty)
	fmt.Println("unimplemented", uint32(status.Code(err)))
}
