import java.util.stream.Collectors;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.cloud.loadbalancer.core.ServiceInstanceListSupplier;
import org.springframework.cloud.loadbalancer.support.LoadBalancerClientFactory;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import reactor.core.publisher.Mono;

/** Spring Cloud Gateway with its defaults: every request goes to an instance of one service, which its load balancer chooses. */
@Configuration
@EnableAutoConfiguration
@RestController
public class Gateway {
    @Value("${service}") String service;
    @Autowired LoadBalancerClientFactory balancers;

    public static void main(String[] args) {
        SpringApplication.run(Gateway.class, args);
    }

    @Bean
    RouteLocator everything(RouteLocatorBuilder builder) {
        return builder.routes().route("everything", it -> it.path("/**").uri("lb://" + service)).build();
    }

    /** The list that the load balancer chooses from, as old as it is: no instance and no registry is asked that would not be anyway. */
    @GetMapping("/-/instances")
    Mono<String> instances() {
        return balancers.getInstance(service, ServiceInstanceListSupplier.class).get().next()
            .map(all -> all.stream().map(it -> it.getHost() + ":" + it.getPort() + "\n").sorted().collect(Collectors.joining()));
    }
}
