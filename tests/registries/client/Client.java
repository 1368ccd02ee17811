import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/**
 * The official client, told over HTTP what to do: /register as an application does, /sees what a subscribed caller does.
 * Started with the address of the server, the port to listen on and, where there is a login, the user and the password.
 */
public class Client {
    static final Map<String, List<Instance>> SEEN = new ConcurrentHashMap<>();
    static final Map<String, NamingService> CALLERS = new ConcurrentHashMap<>();
    static final List<NamingService> REGISTERED = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("serverAddr", args[0]);
        if (args.length > 2) {
            settings.put("username", args[2]);
            settings.put("password", args[3]);
        }
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1])), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        http.createContext("/", exchange -> {
            String answer;
            int status = 200;
            try {
                Map<String, String> given = new ConcurrentHashMap<>();
                for (String pair : exchange.getRequestURI().getQuery().split("&")) {
                    given.put(pair.split("=")[0], pair.split("=")[1]);
                }
                answer = exchange.getRequestURI().getPath().equals("/register") ? register(settings, given) : sees(settings, given);
            } catch (Throwable error) {
                answer = error.toString();
                status = 500;
            }
            exchange.sendResponseHeaders(status, 0);
            exchange.getResponseBody().write(answer.getBytes());
            exchange.close();
        });
        http.start();
    }

    /** A connection for each instance: one connection has one instance of a service. */
    static String register(Properties settings, Map<String, String> given) throws Exception {
        NamingService naming = NacosFactory.createNamingService(settings);
        Instance instance = new Instance();
        instance.setIp(given.get("ip"));
        instance.setPort(Integer.parseInt(given.get("port")));
        instance.setWeight(Double.parseDouble(given.get("weight")));
        instance.setClusterName(given.get("cluster"));
        instance.addMetadata("version", "7");
        naming.registerInstance(given.get("service"), instance);
        synchronized (REGISTERED) {
            REGISTERED.add(naming);
        }
        return "registered";
    }

    /** Lines like `10.1.2.3:9810 cluster=DEFAULT weight=2.5 version=7`, of the healthy and enabled ones. */
    static String sees(Properties settings, Map<String, String> given) throws Exception {
        String service = given.get("service");
        synchronized (CALLERS) {
            if (!CALLERS.containsKey(service)) {
                NamingService naming = NacosFactory.createNamingService(settings);
                naming.subscribe(service, event -> SEEN.put(service, ((NamingEvent) event).getInstances()));
                CALLERS.put(service, naming);
            }
        }
        return SEEN.getOrDefault(service, List.of()).stream().filter(i -> i.isEnabled() && i.isHealthy())
            .map(i -> i.getIp() + ":" + i.getPort() + " cluster=" + i.getClusterName() + " weight=" + i.getWeight()
                + " version=" + i.getMetadata().get("version") + "\n").sorted().collect(Collectors.joining());
    }
}
