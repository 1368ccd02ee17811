import com.alibaba.nacos.core.code.ControllerMethodsCache;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.ComponentScan;

/** A Nacos 2.3.1 naming server in one process, from its published libraries. */
@EnableAutoConfiguration
@ComponentScan("com.alibaba.nacos")
public class Nacos2 {
    public static void main(String[] args) {
        ControllerMethodsCache methods = SpringApplication.run(Nacos2.class, args).getBean(ControllerMethodsCache.class);
        // Without these its filter answers 501 to everything.
        methods.initClassMethod("com.alibaba.nacos.core.controller");
        methods.initClassMethod("com.alibaba.nacos.naming.controllers");
    }
}
