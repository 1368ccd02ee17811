import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.util.ArrayList;
import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryForever;

/** Lists over HTTP the providers that ZooKeeper has now. Started with its address and the port to listen on. */
public class Reader {
    static final String[] PLACES = {"/dubbo/Greeting/providers", "/services/customer"};

    public static void main(String[] args) throws Exception {
        CuratorFramework zookeeper = CuratorFrameworkFactory.newClient(args[0], new RetryForever(500));
        zookeeper.start();
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1])), 0);
        http.createContext("/", exchange -> {
            List<String> found = new ArrayList<>();
            try {
                for (String place : PLACES) {
                    if (zookeeper.checkExists().forPath(place) == null) {
                        continue;
                    }
                    for (String child : zookeeper.getChildren().forPath(place)) {
                        found.add(place + " " + URLDecoder.decode(child, "UTF-8").split("\\?")[0]);
                    }
                }
            } catch (Exception error) {
                found.add(error.toString());
            }
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(String.join("\n", found).getBytes());
            exchange.close();
        });
        http.start();
    }
}
