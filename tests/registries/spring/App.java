import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import java.util.stream.Collectors;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** An application that registers with Eureka, and a caller that looks others up there. */
@Configuration
@EnableAutoConfiguration
@RestController
public class App {
    @Autowired DiscoveryClient discovery;
    @Autowired ApplicationInfoManager self;

    public static void main(String[] args) {
        SpringApplication.run(App.class, args);
    }

    /** What a load balancer would choose from: Eureka's client keeps those that are UP. */
    @GetMapping("/sees/{application}")
    String sees(@PathVariable("application") String application) {
        return discovery.getInstances(application).stream().map(it -> it.getInstanceId() + "\n").sorted().collect(Collectors.joining());
    }

    /** The application's own opinion of itself, as its health check would give it. */
    @PostMapping("/status/{status}")
    String status(@PathVariable("status") String status) {
        self.setInstanceStatus(InstanceStatus.valueOf(status));
        return status;
    }
}
