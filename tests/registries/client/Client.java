import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.util.Properties;

/** The official client: registers as an application does (ip, port, weight), or watches as a caller does. */
public class Client {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("serverAddr", "127.0.0.1:8848");
        NamingService naming = NacosFactory.createNamingService(settings);
        if (args[0].equals("watch")) {
            naming.subscribe("customer", event -> {
                StringBuilder line = new StringBuilder("sees");
                for (Instance i : ((NamingEvent) event).getInstances()) {
                    line.append(' ').append(i.getIp()).append(':').append(i.getPort()).append('*').append(i.getWeight());
                }
                System.out.println(line);
            });
        } else {
            Instance instance = new Instance();
            instance.setIp(args[1]);
            instance.setPort(Integer.parseInt(args[2]));
            instance.setWeight(Double.parseDouble(args[3]));
            instance.addMetadata("version", "7");
            naming.registerInstance("customer", instance);
            System.out.println("registered");
        }
        Thread.sleep(Long.MAX_VALUE);
    }
}
