import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Calls the echo service with grpc-java and prints what came, one fact a line.
 *
 * <p>Usage: WireClient HOST:PORT NAME=HEX... (requests as encoded messages). Messages stay bytes, so
 * no generated code is needed.
 */
public final class WireClient {
  private static final String SERVICE = "wire.echo.v1.EchoService/";
  private static final Metadata.Key<byte[]> RAW =
      Metadata.Key.of("x-echo-raw-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<byte[]>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
        }
      };

  private static MethodDescriptor<byte[], byte[]> method(String name, MethodDescriptor.MethodType type) {
    return MethodDescriptor.newBuilder(BYTES, BYTES).setFullMethodName(name).setType(type).build();
  }

  private static final MethodDescriptor<byte[], byte[]> UNARY =
      method(SERVICE + "Unary", MethodDescriptor.MethodType.UNARY);
  private static final MethodDescriptor<byte[], byte[]> STREAM =
      method(SERVICE + "ServerStream", MethodDescriptor.MethodType.SERVER_STREAMING);
  private static final MethodDescriptor<byte[], byte[]> COLLECT =
      method(SERVICE + "ClientStream", MethodDescriptor.MethodType.CLIENT_STREAMING);
  private static final MethodDescriptor<byte[], byte[]> BIDI =
      method(SERVICE + "Bidi", MethodDescriptor.MethodType.BIDI_STREAMING);

  private static String hex(byte[] data) {
    StringBuilder text = new StringBuilder();
    for (byte b : data) {
      text.append(String.format("%02x", b));
    }
    return text.toString();
  }

  private static byte[] unhex(String text) {
    byte[] data = new byte[text.length() / 2];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
    }
    return data;
  }

  private interface Action {
    void run() throws Exception;
  }

  private static int code(Action action) throws Exception {
    try {
      action.run();
      return 0;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode().value();
    }
  }

  /** What arrives, as hex; the end is an empty text or the error's code. */
  private static final class Collector implements StreamObserver<byte[]> {
    final BlockingQueue<String> arrived = new LinkedBlockingQueue<>();

    @Override
    public void onNext(byte[] value) {
      arrived.add(hex(value));
    }

    @Override
    public void onError(Throwable t) {
      arrived.add("error " + Status.fromThrowable(t).getCode().value());
    }

    @Override
    public void onCompleted() {
      arrived.add("");
    }

    String next() throws InterruptedException {
      String text = arrived.poll(20, TimeUnit.SECONDS);
      if (text == null) {
        throw new IllegalStateException("nothing came");
      }
      return text;
    }

    String rest() throws InterruptedException {
      List<String> all = new ArrayList<>();
      for (String text = next(); !text.isEmpty(); text = next()) {
        all.add(text);
        if (text.startsWith("error")) {
          break;
        }
      }
      return String.join(",", all);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, byte[]> requests = new HashMap<>();
    for (int i = 1; i < arguments.length; i++) {
      String[] parts = arguments[i].split("=", 2);
      requests.put(parts[0], unhex(parts[1]));
    }
    ManagedChannel channel = ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().build();
    CallOptions none = CallOptions.DEFAULT;

    System.out.println("unary " + hex(ClientCalls.blockingUnaryCall(channel, UNARY, none, requests.get("unary"))));
    System.out.println(
        "large " + ClientCalls.blockingUnaryCall(channel, UNARY, none, requests.get("large")).length);
    System.out.println(
        "gzip "
            + hex(ClientCalls.blockingUnaryCall(
                channel, UNARY, none.withCompression("gzip"), requests.get("long"))));

    List<String> texts = new ArrayList<>();
    Iterator<byte[]> replies =
        ClientCalls.blockingServerStreamingCall(channel, STREAM, none, requests.get("stream"));
    while (replies.hasNext()) {
      texts.add(hex(replies.next()));
    }
    System.out.println("stream " + String.join(",", texts));

    Collector collected = new Collector();
    StreamObserver<byte[]> sender =
        ClientCalls.asyncClientStreamingCall(channel.newCall(COLLECT, none), collected);
    for (int i = 0; i < 3; i++) {
      sender.onNext(requests.get("unary"));
    }
    sender.onCompleted();
    System.out.println("collect " + collected.rest());

    // Full duplex: the second request is sent after the answer to the first.
    Collector both = new Collector();
    sender = ClientCalls.asyncBidiStreamingCall(channel.newCall(BIDI, none), both);
    sender.onNext(requests.get("unary"));
    String first = both.next();
    sender.onNext(requests.get("stream"));
    sender.onCompleted();
    System.out.println("bidi " + first + "," + both.rest());

    Metadata sent = new Metadata();
    sent.put(RAW, new byte[] {0, (byte) 0xff, 0x10});
    AtomicReference<Metadata> headers = new AtomicReference<>();
    AtomicReference<Metadata> trailers = new AtomicReference<>();
    Channel watched =
        ClientInterceptors.intercept(
            channel,
            MetadataUtils.newAttachHeadersInterceptor(sent),
            MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
    ClientCalls.blockingUnaryCall(watched, UNARY, none, requests.get("metadata"));
    System.out.println("metadata " + hex(headers.get().get(RAW)) + " " + hex(trailers.get().get(RAW)));

    try {
      ClientCalls.blockingUnaryCall(channel, UNARY, none, requests.get("error"));
    } catch (StatusRuntimeException e) {
      System.out.println(
          "error " + e.getStatus().getCode().value() + " "
              + hex(e.getStatus().getDescription().getBytes(StandardCharsets.UTF_8)) + " "
              + hex(e.getTrailers().get(DETAILS)));
    }
    System.out.println(
        "deadline "
            + code(() -> ClientCalls.blockingUnaryCall(
                channel, UNARY, none.withDeadlineAfter(200, TimeUnit.MILLISECONDS), requests.get("slow"))));

    // After the first answer: cancelled at once, netty 4.1.48 may send DATA behind its own RST_STREAM,
    // which libnghttp2 takes for an error of the connection.
    Collector cancelled = new Collector();
    ClientCall<byte[], byte[]> call = channel.newCall(BIDI, none);
    sender = ClientCalls.asyncBidiStreamingCall(call, cancelled);
    sender.onNext(requests.get("unary"));
    cancelled.next();
    call.cancel("no longer wanted", null);
    System.out.println("cancel " + cancelled.next().replace("error ", ""));

    Context.CancellableContext context = Context.current().withCancellation();
    context.run(
        () -> {
          Iterator<byte[]> endless =
              ClientCalls.blockingServerStreamingCall(channel, STREAM, none, requests.get("endless"));
          endless.next();
          context.cancel(null);
          try {
            System.out.println("leave " + code(() -> {
              while (endless.hasNext()) {
                endless.next();
              }
            }));
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
    System.out.println(
        "unimplemented "
            + code(() -> ClientCalls.blockingUnaryCall(
                channel, method("no.Such/Method", MethodDescriptor.MethodType.UNARY), none, new byte[0])));
    channel.shutdownNow();
  }
}
