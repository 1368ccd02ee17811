import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.sun.net.httpserver.HttpServer;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.util.Properties;
import java.util.concurrent.Executors;

/**
 * A service that registers itself with the official client, as frameworks do it: once it listens, and it takes itself
 * out again when it is told to end. Started with the server's address, its service's name and the group; REGISTER_AFTER says
 * after how many seconds it registers, or never.
 */
public class App {
    static final int PORT = 8080;
    static volatile boolean registered;
    static volatile boolean sick;

    public static void main(String[] args) throws Exception {
        HttpServer http = HttpServer.create(new InetSocketAddress(PORT), 1024);
        http.setExecutor(Executors.newCachedThreadPool());
        String pod = System.getenv().getOrDefault("HOSTNAME", "");
        http.createContext("/", exchange -> {
            String query = exchange.getRequestURI().getQuery();
            if (query != null && query.startsWith("ms=")) {
                try {
                    Thread.sleep(Long.parseLong(query.substring(3)));
                } catch (InterruptedException end) {
                    Thread.currentThread().interrupt();
                }
            }
            byte[] answer = (pod + "\n").getBytes();
            exchange.getResponseHeaders().add("Pod", pod);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        // As frameworks answer for their readiness: not before the service has registered itself.
        http.createContext("/ready", exchange -> {
            exchange.sendResponseHeaders(registered ? 200 : 503, -1);
            exchange.close();
        });
        http.createContext("/healthz", exchange -> {
            exchange.sendResponseHeaders(sick ? 500 : 200, -1);
            exchange.close();
        });
        http.createContext("/fail-liveness", exchange -> {
            sick = true;
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        http.start();

        Properties settings = new Properties();
        settings.put("serverAddr", args[0]);
        NamingService naming = NacosFactory.createNamingService(settings);
        String service = args[1], group = args[2], ip = address();
        String after = System.getenv().getOrDefault("REGISTER_AFTER", "0");
        if (!after.equals("never")) {
            Thread.sleep(1000 * Long.parseLong(after));
            try {
                naming.registerInstance(service, group, ip, PORT);
            } catch (Exception refused) {
                refused.printStackTrace();
                System.exit(1);
            }
            registered = true;
            say("registered");
        }

        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            say("sigterm");
            try {
                if (registered) {
                    naming.deregisterInstance(service, group, ip, PORT);
                }
            } catch (Exception gone) {
                say(gone.toString());
            }
            // Seconds for what is under way; it returns when that is done.
            http.stop(5);
        }));
        Thread.currentThread().join();
    }

    static String address() throws Exception {
        for (NetworkInterface device : java.util.Collections.list(NetworkInterface.getNetworkInterfaces())) {
            for (java.net.InetAddress address : java.util.Collections.list(device.getInetAddresses())) {
                if (address instanceof Inet4Address && !address.isLoopbackAddress()) {
                    return address.getHostAddress();
                }
            }
        }
        throw new IllegalStateException("the pod has no address");
    }

    static void say(String phase) {
        System.out.println("{\"at_ms\":" + System.currentTimeMillis() + ",\"phase\":\"" + phase + "\"}");
    }
}
