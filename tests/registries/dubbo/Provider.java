import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** A Dubbo service with the QoS port as it comes (22222 on loopback). Started with ZooKeeper's address. */
public class Provider {
    public static void main(String[] args) {
        ApplicationConfig application = new ApplicationConfig("customer");
        application.setQosEnable(true);
        ServiceConfig<Greeting> service = new ServiceConfig<>();
        service.setInterface(Greeting.class);
        service.setRef(name -> "hello " + name);
        DubboBootstrap.getInstance().application(application).registry(new RegistryConfig("zookeeper://" + args[0]))
            .protocol(new ProtocolConfig("dubbo", 20880)).service(service).start().await();
    }
}
